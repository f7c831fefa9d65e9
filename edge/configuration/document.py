"""A configuration file as a plain table, and in which line each of its keys stands.

YAML is read by the rules of its version 1.2, and less of it: no aliases, no tags, no merging. A key
without a value is not set.
Version 1.1, which libraries read, makes ``no`` a truth value, ``010`` eight and ``1:30`` ninety;
what the two understand differently is refused with its line, and never guessed.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from contracts.errors import SettingsError
from contracts.secrecy import SECRETS

LARGEST: Final = 1 << 20
"""Bytes of a file; a larger one is none that anybody wrote by hand."""

Key = tuple[str | int, ...]
"""Way to a value: keys of tables, numbers of lists."""

_TRUTH: Final = {"true": True, "True": True, "TRUE": True} | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_EMPTY: Final = ("", "~", "null", "Null", "NULL")
_DOUBTFUL: Final = (
    (re.compile(r"(?i)y|n|yes|no|on|off"), "some readers take it for true or false"),
    (re.compile(r"[-+]?0\d+(\.\d*)?"), "some readers take it for an octal number"),
    (re.compile(r"[-+]?\d+(:[0-5]?\d)+(\.\d*)?"), "some readers take it for a number of base 60"),
    (re.compile(r"[-+]?(\d+_[\d_]*|0[bo]\d+)(\.\d*)?"), "some readers take it for a number"),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), "that is nothing to calculate with"),
    (re.compile(r"="), "some readers take it for a default value"),
)
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9]\d*)")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?")

"""Keys whose values nobody is shown, and nobody sends."""
_WITH_SECRETS: Final = (("uplink", "url"), ("camera", "source"))


def is_secret(key: Key) -> bool:
    """Whether a value is a password or an address that may hold one, so that no error shows it."""
    return key[:2] in _WITH_SECRETS or any(step in SECRETS for step in key)


class Document(NamedTuple):
    """What a file says, and where."""

    table: dict[str, Any]
    lines: dict[Key, int]  # from 1; none for TOML


def read_document(path: Path) -> Document:
    """Read a file: TOML if it is called so, else YAML.

    Raises
    ------
    SettingsError
        If it cannot be read or is not what it is called; the text names file and line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as fault:
        msg = f"{path}: cannot be read ({fault.strerror}); give the path of an agent's YAML file"
        raise SettingsError(msg) from fault
    if len(content) > LARGEST:
        msg = f"{path}: larger than {LARGEST} bytes; give the path of an agent's YAML file"
        raise SettingsError(msg)
    is_toml = path.suffix == ".toml"
    try:
        text = content.decode()
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        name = "TOML" if is_toml else "YAML"
        msg = f"{path}:{line}: no {name}: {fault.reason}; write it as UTF-8"
        raise SettingsError(msg) from fault
    if not is_toml:
        return parse_yaml(text, str(path))
    try:
        return Document(tomllib.loads(text), {})
    except tomllib.TOMLDecodeError as fault:
        msg = f"{path}: no TOML: {fault}"
        raise SettingsError(msg) from fault


def parse_yaml(text: str, name: str) -> Document:
    r"""Read YAML; `name` is what it is called in errors.

    >>> parse_yaml("camera:\n  source: a.avi\n", "cam-1.yaml").lines["camera", "source"]
    2

    Raises
    ------
    SettingsError
        If it is none, or not a table.
    """
    reader = _Reader(name)
    node = reader.compose(text)
    if node is None:
        return Document({}, {})
    if not isinstance(node, yaml.MappingNode):
        msg = f"{name}:{node.start_mark.line + 1}: not a table; write key: value, each on its line"
        raise SettingsError(msg)
    return Document(reader.build(node, ()), reader.lines)


def parse_value(text: str) -> Any:
    """Read a value as a flag gives it; what is neither TOML nor YAML is text.

    >>> parse_value("[{id: road, a: [0, 0.5]}]"), parse_value("12"), parse_value("usb:0")
    ([{'id': 'road', 'a': [0, 0.5]}], 12, 'usb:0')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if not text.startswith(("[", "{")):  # in YAML nearly anything is something
            return text
    try:
        return parse_yaml(f"value: {text}", "").table["value"]
    except SettingsError:
        return text


class _Reader:
    """Builds a table from YAML's nodes, which know their lines."""

    def __init__(self, name: str) -> None:
        self.lines: dict[Key, int] = {}
        self._name = name
        self._met: set[int] = set()
        self._resolver = yaml.resolver.Resolver()

    def compose(self, text: str) -> Any:
        try:
            return yaml.compose(text, yaml.SafeLoader)
        except yaml.MarkedYAMLError as fault:
            mark = fault.problem_mark or fault.context_mark
            hint = "; indent with spaces" if "'\\t'" in str(fault.problem) else ""
            where = f"{self._name}:{mark.line + 1}" if mark else self._name
            msg = f"{where}: no YAML: {fault.problem or fault.context}{hint}; correct it there"
            raise SettingsError(msg) from fault
        except yaml.reader.ReaderError as fault:
            line = text.count("\n", 0, fault.position) + 1
            msg = f"{self._name}:{line}: no YAML: {fault.reason}; remove that character"
            raise SettingsError(msg) from fault
        except RecursionError:
            msg = f"{self._name}: lists or tables within each other without an end"
            raise SettingsError(msg) from None

    def build(self, node: yaml.Node, key: Key) -> Any:
        """Value of a node; notes the lines of what is in it."""
        self.lines.setdefault(key, node.start_mark.line + 1)
        if id(node) in self._met:
            raise self._refused(node, key, "an alias (*): write it out")
        self._met.add(id(node))
        scalar = node if isinstance(node, yaml.ScalarNode) else None
        plain = scalar is not None and scalar.style is None
        resolve: Any = self._resolver.resolve
        if node.tag != resolve(type(node), scalar and scalar.value, (plain, not plain)):
            raise self._refused(node, key, f"a tag ({node.tag}): leave it out")
        if scalar is not None:
            return self._scalar(scalar, key) if plain else scalar.value
        if isinstance(node, yaml.MappingNode):
            return self._table(node, key)
        return [self.build(item, (*key, n)) for n, item in enumerate(node.value)]

    def _table(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        table: dict[str, Any] = {}
        empty: list[str] = []
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise self._refused(name, key, "a list or a table as a key: keys are words")
            inner = (*key, name.value)
            if name.value in table:
                first = self.lines[inner]
                raise self._refused(name, inner, f"given in line {first} already: remove one")
            if name.value == "<<":
                raise self._refused(name, inner, "merging (<<): write it out")
            self.lines[inner] = name.start_mark.line + 1
            table[name.value] = self.build(value, inner)
            if table[name.value] is None and not value.value:
                empty.append(name.value)  # all that stood below it is commented out
        return {name: value for name, value in table.items() if name not in empty}

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> Any:
        text: str = node.value
        if text in _TRUTH:
            return _TRUTH[text]
        if text in _EMPTY:
            return None
        if _INTEGER.fullmatch(text):
            return int(text)
        if _HEXADECIMAL.fullmatch(text):
            return int(text, 16)
        for pattern, why in _DOUBTFUL:
            if pattern.fullmatch(text):
                shown = "***" if is_secret(key) else text
                fix = f'quote it ("{shown}") if it is meant as text'
                if why.endswith("false"):
                    fix = f"write true or false, or {fix}"
                raise self._refused(node, key, f"{shown}: {why}: {fix}")
        return float(text) if _FLOAT.fullmatch(text) else text

    def _refused(self, node: yaml.Node, key: Key, reason: str) -> SettingsError:
        place = ".".join(map(str, key)) or "the whole"
        return SettingsError(f"{self._name}:{node.start_mark.line + 1}: {place} is {reason}")
