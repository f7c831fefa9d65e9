"""How a calibration is laid out in YAML: a row for each pair, line, zone and mask."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.errors import SettingsError
from edge.configuration.document import parse_yaml


def flow(value: Any, *, equals: str = ": ") -> str:
    """Write a value in one line.

    >>> flow({"id": "no", "a": [0.5, 1.0]})
    '{id: "no", a: [0.5, 1]}'
    """
    match value:
        case Mapping():
            inner = ", ".join(f"{key}{equals}{flow(item)}" for key, item in value.items())
            return f"{{{inner}}}"
        case str():
            return _word(value)
        case Sequence():
            return f"[{', '.join(map(flow, value))}]"
        case _:
            return f"{value:.6f}".rstrip("0").rstrip(".")  # readers differ about 1e-05


def _word(text: str) -> str:
    """Write text so that every reader takes it for text."""
    try:
        plain = parse_yaml(f"a: {text}\nb: [{text}]", "").table
    except SettingsError:
        plain = {}
    return text if plain == {"a": text, "b": [text]} else json.dumps(text)


def entry(key: str, value: Any) -> list[str]:
    """Rows of a key of the camera's table, from its own column on.

    >>> entry("lens", {"k1": -0.2}), entry("masks", [[[0.0, 0.5]]]), entry("lines", [])
    (['lens: {k1: -0.2}'], ['masks:', '  - [[0, 0.5]]'], ['lines: []'])
    """
    if isinstance(value, Mapping) or not value:
        return [f"{key}: {flow(value)}"]
    return [f"{key}:", *("  " + row for one in value for row in item(one))]


def item(value: Any) -> list[str]:
    """Rows of an item of a list, from its dash on.

    >>> item({"id": "road", "a": [0.0, 0.5]})
    ['- id: road', '  a: [0, 0.5]']
    """
    if not isinstance(value, Mapping):
        return [f"- {flow(value)}"]
    rows = [f"{key}: {flow(inner)}" for key, inner in value.items()]
    return ["- " + rows[0], *("  " + row for row in rows[1:])]
