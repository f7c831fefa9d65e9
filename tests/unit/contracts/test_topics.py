import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.topics import PROBES, STATES, UPLINK, Address, TopicError, parse, topic

slugs = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


@given(slugs, slugs, slugs, slugs | st.just(""))
def test_what_is_written_is_read(pilot: str, device: str, channel: str, stream: str) -> None:
    address = Address(pilot, device, channel, stream)
    assert parse(topic(address.identity, channel, stream)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tepna/1",
        "tepna/1/pilot/device",
        "tepna/1/pilot/device/",
        "tepna/1/pilot/device/up/",
        "tepna/1/pilot/device/up/obs/more",
        "tepna/2/pilot/device/up/obs",
        "other/1/pilot/device/up/obs",
        "tepna/1//device/up/obs",
        "tepna/1/Pilot/device/up/obs",
        "tepna/1/pilot/-device/up/obs",
        "tepna/1/pilot/de vice/up/obs",
        "tepna/1/pilot/+/up/obs",
        "tepna/1/pilot/device/up/#",
        "tepna/1/pilot/device/up/obs\n",
        f"tepna/1/pilot/{'d' * 64}/up/obs",
    ],
)
def test_other_topics_are_refused(text: str) -> None:
    with pytest.raises(TopicError, match="is not tepna/1/"):
        parse(text)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(TopicError):
        parse(text)


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        (UPLINK, topic("pilot/device", "up", "obs")),
        (STATES, topic("pilot/device", "state")),
        (PROBES, topic("pilot/device", "probe", "time")),
    ],
)
def test_subscriptions_match_what_devices_write(pattern: str, written: str) -> None:
    levels = zip(pattern.split("/"), written.split("/"), strict=True)
    assert all(level in ("+", name) for level, name in levels)
