"""What all tests share."""

from hypothesis import settings

# A busy machine is no fault of the code under test.
settings.register_profile("tepna", deadline=None)
settings.load_profile("tepna")
