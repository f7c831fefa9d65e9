"""YAML as a configuration: what is read, and what is refused with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SettingsError
from edge.configuration.document import LARGEST, parse_value, parse_yaml, read_document


def parse(text: str) -> Any:
    return parse_yaml(text, "a.yaml").table


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("null", None),
        ("2026-05-04T07:00:00Z", "2026-05-04T07:00:00Z"),
        ("rtsp://10.0.0.1:554/a", "rtsp://10.0.0.1:554/a"),
        ('"no"', "no"),
        ("'010'", "010"),
        ("norway", "norway"),
        ("1.2.3", "1.2.3"),
        ("[a, 1]", ["a", 1]),
        ("{b: [1]}", {"b": [1]}),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = parse(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb:\n  c: no\n", r"^a\.yaml:3: b\.c is no: .* write true or false, or quote it"),
        ("a: Off", "^a.yaml:1: a is Off: some readers take it for true or false"),
        ("a: [y]", "^a.yaml:1: a.0 is y: "),
        ("\na: 010", r'^a\.yaml:2: a is 010: .*octal.*quote it \("010"\)'),
        ("a: 12:30", "base 60"),
        ("a: 1_000", "take it for a number"),
        ("a: .nan", "nothing to calculate with"),
        ("password: 0123", r"^a\.yaml:1: password is \*\*\*: .*octal"),
        ("a: 1\nb: 2\na: 3", "^a.yaml:3: a is given in line 1 already: remove one"),
        ("a:\n - b: 1\n   b: 2", r"^a\.yaml:3: a\.0\.b is given in line 2 already"),
        ("a: &x [1]\nb: *x", r"^a\.yaml:1: b is an alias"),
        ("a: &x {c: 1}\nb:\n  <<: *x", r"^a\.yaml:3: b\.<< is merging"),
        ("a: !!python/object:os.system x", r"a is a tag \(tag:yaml.org,2002:python/object"),
        ("a: !!str 5", "a is a tag"),
        ("? [a]\n: 1", "a list or a table as a key"),
        ("a: 1\n\tb: 2", r"^a\.yaml:2: no YAML: .*indent with spaces; correct it there"),
        ("a: [1", r"^a\.yaml:1: no YAML: "),
        ("a: 1\n---\nb: 2", r"^a\.yaml:2: no YAML: but found another document"),
        ("a: \x07", r"^a\.yaml:1: no YAML: special characters are not allowed"),
        ("- a\n- b", r"^a\.yaml:1: not a table; write key: value"),
        ("a: " + 2000 * "[", "without an end"),
    ],
)
def test_what_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as fault:
        parse(text)
    assert "0123" not in str(fault.value)


def test_a_key_without_a_value_is_not_set() -> None:
    assert parse("a: 1\nb:\n#  c: 2\n") == {"a": 1}
    assert parse("a: ''\nb: ~\nc: []\n") == {"a": "", "b": None, "c": []}


def test_every_key_has_its_line() -> None:
    lines = parse_yaml("# about\na:\n  b: 1\n  c:\n    - 5\n    - d: 2\n", "x").lines
    assert lines == {
        (): 2, ("a",): 2, ("a", "b"): 3, ("a", "c"): 4, ("a", "c", 0): 5, ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
    }  # fmt: skip


def test_a_file_is_read_by_its_name(tmp_path: Path) -> None:
    toml, other = tmp_path / "a.toml", tmp_path / "a.yml"
    toml.write_text("a = 1")
    other.write_text("a: 1")
    assert read_document(toml) == ({"a": 1}, {})
    assert read_document(other).table == {"a": 1}
    other.write_bytes(b"a: 1\nb: \xff")
    with pytest.raises(SettingsError, match=r"a\.yml:2: no YAML: .*; write it as UTF-8"):
        read_document(other)
    other.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(SettingsError, match="larger than"):
        read_document(other)
    other.write_text("# nothing yet\n")
    assert read_document(other) == ({}, {})


TEXT = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=20
)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


@settings(max_examples=10)
@given(st.dictionaries(TEXT.filter(lambda key: key != "<<"), VALUES))
def test_json_is_yaml_and_quoted_text_is_text(table: dict[str, Any]) -> None:
    assert parse(json.dumps(table)) == table


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('[{id = "a", n = 1}]', [{"id": "a", "n": 1}]),
        ("[{id: a, n: 1}]", [{"id": "a", "n": 1}]),
        ('{"id": "a"}', {"id": "a"}),
        ("no", "no"),
        ("rtsp://x", "rtsp://x"),
        ("[no]", "[no]"),
        ("0.5", 0.5),
        ("", ""),
    ],
)
def test_values_of_flags(text: str, value: Any) -> None:
    assert parse_value(text) == value
