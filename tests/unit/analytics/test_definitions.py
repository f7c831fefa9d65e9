"""Definitions of indicators and their formulas."""

from typing import Any

import numpy as np
import pytest

from analytics.indicators.definitions import DefinitionError, load, read
from analytics.indicators.formula import FormulaError, Merged, evaluate

EDGES = np.arange(5.0)
INPUTS = {"a": Merged(4, 10.0, [1, 1, 2], EDGES), "b": Merged(0, 0.0, [], None)}

GOOD = """
id = "x"
version = 1
unit = "1"
direction = "up"
period = "PT1H"
minimum_coverage = 0.5
numerator = 'n("a")'
denominator = 'n("a") + 1'
interval = "wilson"
name = { cs = "x", en = "x" }
[inputs.a]
metric = "flow"
"""


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ('n("a")', 4),
        ('total("a") / n("a")', 2.5),
        ('below("a", 2.5)', 3),
        ('below("a", limit) - 1', 2),
        ('n("a") + n("b") * 3', 4),
    ],
)
def test_formulas(formula: str, value: float) -> None:
    assert evaluate(formula, INPUTS, {"limit": 2.5}) == value


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os')", 'n("a").__class__', "n.__globals__", "[1][0]", "(lambda: 1)()",
        "1 if 1 else 2", "2 ** 99", "open('x')", 'n("c")', 'below("b", 1) + below("b", 1) / 0',
        "1 +", "limit", "", "'a' + 'b'", "'a' * 99999999999", "1 and 2", "n(*[1])", "1" * 201,
        "f'{1}'",
    ],
)  # fmt: skip
def test_nothing_else_is_evaluated(formula: str) -> None:
    with pytest.raises(FormulaError):
        evaluate(formula, INPUTS, {})


def test_every_definition_can_be_read() -> None:
    found = load()
    assert set(found) == {"speed-within-limit", "severe-conflicts", "5g-reliability"}
    assert all(d.name.cs != d.name.en and len(d.digest) == 64 for d in found.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('metric = "flow"', 'metric = "floww"'),
        ("version = 1", "version = 0"),
        ('direction = "up"', 'direction = "sideways"'),
        ('n("a")\'', 'n("z")\''),
        ('interval = "wilson"', 'interval = "guess"'),
        ('unit = "1"', 'unit = "1"\ncolour = "red"'),
        ('metric = "flow"', 'metric = "flow"\nroad_users = ["horse"]'),
        ("id = ", "id == "),
    ],
)
def test_a_bad_definition_is_refused_by_name(old: str, new: str) -> None:
    assert read("x.toml", GOOD.encode()).id == "x"
    with pytest.raises(DefinitionError, match=r"^x\.toml"):
        read("x.toml", GOOD.replace(old, new, 1).encode())


def test_wanted_parts_are_those_of_the_plan(recorder: Any) -> None:
    site = recorder.inputs().site
    found = load()
    assert found["speed-within-limit"].inputs["speed"].wanted_parts(site) == ["out"]
    assert found["5g-reliability"].inputs["lost"].wanted_parts(site) == ["cam", "controller"]
    severe = found["severe-conflicts"].inputs["severe"].wanted_parts(site)
    assert len(severe) == 6
    assert all(part.startswith("severe/") for part in severe)
