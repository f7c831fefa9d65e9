import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.viewing import LONGEST, Permit, PermitError, check, mint

SECRET = "a secret that is shared"  # noqa: S105
NOW = 1_777_878_000_000_000
UNTIL = NOW + 60_000_000
DEVICE = "town/cam"


def test_a_permit_comes_back():
    permit = Permit("7", DEVICE, UNTIL)
    assert check(SECRET, mint(SECRET, permit), DEVICE, NOW) == permit


@pytest.mark.parametrize(
    ("device", "until", "why"),
    [
        ("town/other", UNTIL, "another device"),
        (DEVICE, NOW, "over"),
        (DEVICE, NOW + round(LONGEST * 1e6) + 1, "over"),
    ],
)
def test_what_it_is_not_for(device, until, why):
    with pytest.raises(PermitError, match=why):
        check(SECRET, mint(SECRET, Permit("7", device, until)), DEVICE, NOW)


@given(st.text(max_size=100))
def test_no_other_text_is_a_permit(text):
    with pytest.raises(PermitError):
        check(SECRET, text, DEVICE, NOW)


@given(st.data())
def test_no_changed_payload_is_one(data):
    payload, _, mac = mint(SECRET, Permit("7", DEVICE, UNTIL)).partition(".")
    at = data.draw(st.integers(0, len(payload) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c not in {payload[at], "."}))
    with pytest.raises(PermitError):
        check(SECRET, f"{payload[:at]}{other}{payload[at + 1 :]}.{mac}", DEVICE, NOW)
