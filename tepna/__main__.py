"""``python -m tepna``."""

from tepna.cli import main

if __name__ == "__main__":
    main()
