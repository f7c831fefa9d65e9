from uuid import UUID

import msgspec
import pytest

from contracts.messages import DURABLE, ENCODER, STATE, Durable, State

BOOT = UUID("12345678-1234-5678-1234-567812345678")


def test_durable_is_small_readable_json() -> None:
    text = ENCODER.encode(Durable(boot=BOOT, ranges=[(0, 3), (5, 6)]))
    assert text == f'{{"boot":"{BOOT}","ranges":[[0,3],[5,6]]}}'.encode()
    assert DURABLE.decode(text).ranges == [(0, 3), (5, 6)]


@pytest.mark.parametrize("status", ["online", "offline"])
def test_birth_certificate_and_will_name_their_boot(status: str) -> None:
    state = STATE.decode(f'{{"status":"{status}","boot":"{BOOT}","since":5}}')
    assert (state.status, state.boot, state.since) == (status, BOOT, 5)
    assert STATE.decode(ENCODER.encode(state)) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"status":"asleep","boot":"x","since":5}',
        f'{{"status":"online","boot":"{BOOT}"}}',
    ],
)
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        STATE.decode(text)


def test_a_camera_is_told_of_only_where_there_is_one() -> None:
    assert b"camera" not in ENCODER.encode(State(status="online", boot=BOOT, since=1))
