"""What goes wrong in every room alike."""


class SettingsError(ValueError):
    """A setting is missing or wrong; the text names key, value and fix, a line for each."""
