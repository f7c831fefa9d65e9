"""MQTT 5 packets: ours as another implementation reads them, the broker's however they are cut."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest import packets
from ingest.packets import Answer, Kind, Property, ProtocolError, Publication, Reader


def publication(
    topic: str, payload: bytes, packet: int = 0, stated: dict[str, str] | None = None
) -> bytes:
    """A publication whose properties another implementation has written."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "application/x"
    properties.CorrelationData = b"\0\xff"
    properties.MessageExpiryInterval = 77
    properties.SubscriptionIdentifier = 300
    properties.UserProperty = list((stated or {}).items())
    head = 0x32 if packet else 0x30
    identifier = packet.to_bytes(2, "big") if packet else b""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + identifier + properties.pack() + payload
    return bytes([head]) + packets._number(len(body)) + body


def read(data: bytes, *cuts: int) -> list[Publication | Answer]:
    reader, found = Reader(16), []
    for first, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        part = data[first:end]
        while part:
            with reader.room() as room:
                size = min(len(room), len(part))
                room[:size] = part[:size]
            found += reader.add(size)
            part = part[size:]
    return found


texts = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    st.lists(st.tuples(texts, st.binary(max_size=400), st.integers(0, 65_535)), max_size=5),
    st.dictionaries(texts, texts, max_size=3),
    st.data(),
)
def test_however_the_bytes_are_cut_the_publications_are_the_same(
    sent: list[tuple[str, bytes, int]], stated: dict[str, str], data: st.DataObject
) -> None:
    stream = b"".join(publication(*each, stated) for each in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=6)))
    expected = [
        Publication(packet, topic, payload, stated, False) for topic, payload, packet in sent
    ]
    assert read(stream, *cuts) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_are_refused(data: bytes) -> None:
    try:
        found = read(data)
    except ProtocolError:
        return
    assert all(isinstance(packet, Publication | Answer) for packet in found)


def test_a_second_delivery_says_so() -> None:
    [found] = read(packets.again(packets.publish(7, "a/b", b"payload")))
    assert found == Publication(7, "a/b", b"payload", {}, True)


def test_answers() -> None:
    connack = bytes.fromhex("2009 01 00 06 21 0040 13 0078")
    suback = bytes.fromhex("9005 0003 00 01 87")
    puback, puback_with_reason = bytes.fromhex("40020007"), bytes.fromhex("4003000710")
    found: Any = read(connack + suback + puback + puback_with_reason + bytes.fromhex("d000e0018e"))
    assert [(x.kind, x.packet, x.reasons) for x in found] == [
        (Kind.CONNACK, 0, b"\0"),
        (Kind.SUBACK, 3, b"\x01\x87"),
        (Kind.PUBACK, 7, b""),
        (Kind.PUBACK, 7, b"\x10"),
        (Kind.PINGRESP, 0, b""),
        (Kind.DISCONNECT, 0, b"\x8e"),
    ]
    assert found[0].session_present
    assert found[0].properties == {Property.RECEIVE_MAXIMUM: 64, Property.SERVER_KEEP_ALIVE: 120}


@pytest.mark.parametrize(
    "data",
    [
        "30ffffffffff",  # a length without an end
        "30ffffff7f",  # longer than we have said that we take
        "3006 0001 61 0a 0b 00",  # properties longer than the packet
        "3006 0001 61 02 99 00",  # an unknown property
        "3003 0009 61",  # a topic longer than the packet
        "3004 0002 c328 ",  # a topic that is no text
        "f000",  # AUTH, for which we have not asked
    ],
)
def test_what_is_not_mqtt_is_refused(data: str) -> None:
    with pytest.raises(ProtocolError):
        read(bytes.fromhex(data) + bytes(16))
