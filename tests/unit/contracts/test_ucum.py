"""Units are spelt as UCUM spells them; what is not, is refused with what to write."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.metrics import METRICS
from contracts.ucum import METRIC, OTHER, PREFIXES, SPOKEN, UnitError, check


@pytest.mark.parametrize("unit", sorted({metric.unit for metric in METRICS.values()}))
def test_our_own_units_are_units(unit: str) -> None:
    assert check(unit) == unit


@pytest.mark.parametrize(
    "unit",
    [
        "1", "%", "/min", "10*6/L", "10*-3", "m/s2", "m.s-2", "kg/(m.s2)", "{car}/h", "ug/m3",
        "kW.h", "mm[Hg]", "m[H2O]", "[ft_i]/s", "dB[mW]", "mol/(kg.(s/m))", "2.m", "By{RAM}",
        "MiBy", "lm/W", "cm+2", "[pH]", "mg{CO2}/m3", "deg", "1/s", "24.h", "Ohm.m",
    ],
)  # fmt: skip
def test_units(unit: str) -> None:
    assert check(unit) == unit


@pytest.mark.parametrize(
    "unit",
    [
        "furlong", "kmin", "m//s", "m/", ".m", "(m", "m)", "m s", "{", "{a}}", "m/[nothing]",
        "km%", "\N{MICRO SIGN}g/m3", "10*3uL", "m2s", "0", "m0", "((((((((((m))))))))))", "a\0",
        "[", "{ }",
    ],
)  # fmt: skip
def test_what_is_none(unit: str) -> None:
    with pytest.raises(UnitError, match=r"UCUM|bracket|after it"):
        check(unit)


@pytest.mark.parametrize(("spoken", "written"), SPOKEN.items())
def test_what_people_write_is_answered_with_what_to_write(spoken: str, written: str) -> None:
    assert check(written) == written
    with pytest.raises(UnitError, match="write") as said:
        check(spoken)
    assert repr(written) in str(said.value)


atoms = st.one_of(
    st.sampled_from(sorted(OTHER | METRIC)),
    st.builds(str.__add__, st.sampled_from(PREFIXES), st.sampled_from(sorted(METRIC))),
)
exponents = st.one_of(st.just(""), st.integers(-9, 9).filter(bool).map(str))
components = st.builds(str.__add__, atoms, exponents)


@given(st.lists(components, min_size=1, max_size=5), st.sampled_from("./"))
def test_products_of_units_are_units(parts: list[str], operator: str) -> None:
    unit = operator.join(parts)
    if unit not in SPOKEN:
        assert check(unit) == unit
        assert check(f"({unit})/h") == f"({unit})/h"


@given(st.text(max_size=30))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    with suppress(UnitError):
        assert check(text) == text
