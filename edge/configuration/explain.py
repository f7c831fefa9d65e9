"""What is wrong with a configuration: file and line, key, value and fix, a line for each."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from edge.configuration.document import Key, is_secret

ID_RULE: Final = "an id has lower-case letters a to z, digits and hyphens only, at most 63"
_ID_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
_USER_INFO: Final = re.compile(r"//[^@/\s]*@")


class Origins:
    """Where each value comes from: a line of the file, a flag, or a variable.

    Parameters
    ----------
    file
        What the file is called.
    lines
        Of its keys; none where they are not known.
    fixes
        Variables by which keys can be set instead.
    """

    def __init__(self, file: str, lines: Mapping[Key, int], fixes: Mapping[str, str]) -> None:
        self._file = file
        self._lines = lines
        self._fixes = fixes
        self._over: dict[str, str] = {}

    def set_over(self, key: str, origin: str) -> None:
        """Note that a flag or a variable wins over what the file says."""
        self._over[key] = origin

    def of(self, key: Key) -> str:
        """Where a value comes from; of one that is not set, where it would belong."""
        for n in range(len(key), 0, -1):
            if over := self._over.get(".".join(map(str, key[:n]))):
                return over
            if line := self._lines.get(key[:n]):
                return f"{self._file}:{line}"
        return self._file

    def explain(self, fault: ValidationError) -> list[str]:
        """Say what is wrong with each value, and what to do."""
        return [
            self._line(error) for error in fault.errors(include_url=False, include_context=False)
        ]

    def _line(self, error: Any) -> str:
        place = error["loc"]
        key = ".".join(map(str, place)) or "the whole"
        origin = self.of(place)
        variable = self._fixes.get(key)
        fix = f"set {variable}, or " if variable else ""
        # Flags reach into tables only, not into lists.
        flag = "" if any(isinstance(step, int) for step in place) else f" or give --set {key}="
        match error["type"]:
            case "missing":
                return f"{origin}: {key} is not set: {fix}write it into the file{flag}"
            case "extra_forbidden":
                shown = _shown(place, error["input"])
                return f"{origin}: {key} is {shown}: no such key; remove it or correct its name"
            case "point":  # says what it is and what to do
                return f"{origin}: {key}: {error['msg']}"
        shown, message = _shown(place, error["input"]), error["msg"].removeprefix("Value error, ")
        message = ID_RULE if _ID_PATTERN in message else message
        return f"{origin}: {key} is {shown}: {message}; {fix}correct it{flag}"


def _shown(place: Key, value: Any) -> str:
    """Show what is wrong, but no secret; a table may hold one."""
    if isinstance(value, dict):
        return "a table"
    if value is None:
        return "empty"
    if is_secret(place):
        return "***"
    return _USER_INFO.sub("//***@", repr(value))
