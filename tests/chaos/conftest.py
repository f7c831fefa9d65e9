"""The long form: more kills, for a night or a release."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--long`, where these tests are run by themselves."""
    parser.addoption("--long", action="store_true", help="kill more often")
