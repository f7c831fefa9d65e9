import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensors.kinds import read_sensor
from edge.sensors.mavlink import Drone
from edge.sensors.mavlink_frames import KINDS, LONGEST, Frame, Frames, checksum
from edge.sensors.plugin import Reading, Watch

# The two of rust-mavlink's tests: system 1, component 2.
HEARTBEAT_V1 = bytes.fromhex("fe09ef01020005000000020359 03031f50")
HEARTBEAT_V2 = bytes.fromhex("fd090000ef01020000000500000002035903032e73")
# Bytes that pymavlink 2.4.50 wrote: system 7, component 1.
POSITION_V1 = bytes.fromhex(
    "fe1c0007012140e20100f825321e18905e0884550300b88800002c0170fe0a00aa695cab"
)
POSITION = bytes.fromhex(
    "fd1c000000070121000040e20100f825321e18905e0884550300b88800002c0170fe0a00aa69dd10"
)
POWER = bytes.fromhex(
    "fd1f0000000701010000010000000100000001000000fa003930220600000000000000000000000057fecf"
)
TIME = bytes.fromhex("fd0b00000007010200000000ceeeb5400600a086018075")
RECEPTION = bytes.fromhex(
    "fd1e00000007011800000500000000000000f825321e18905e08845503007800c800f401aa69030e8628"
)
ATTITUDE = bytes.fromhex("fd1000000007011e000005000000cdcccc3dcdcc4c3e9a99993e2e02")
SIGNED = bytes.fromhex("fd090100000701000000000000000203510403ed5e01e80300000000d16caaff1c35")
ALL = (HEARTBEAT_V1, HEARTBEAT_V2, POSITION_V1, POSITION, POWER, TIME, RECEPTION, SIGNED)


def cut(*pieces: bytes) -> tuple[list[Frame], int]:
    frames = Frames()
    return [frame for piece in pieces for frame in frames.cut(piece)], frames.bad


def test_both_versions_say_the_same() -> None:
    (first, second), bad = cut(HEARTBEAT_V1 + HEARTBEAT_V2)
    assert first == second
    assert first.system == 1
    assert first.fields["system_status"] == 3
    assert first.fields["custom_mode"] == 5
    (first, second), _ = cut(POSITION_V1 + POSITION)
    assert first == second
    assert first.fields["lat"] == 506603000
    assert bad == 0


def test_a_signed_frame_ends_after_its_signature() -> None:
    frames, bad = cut(SIGNED + HEARTBEAT_V2)
    assert [frame.system for frame in frames] == [7, 1]
    assert bad == 0


def test_other_messages_are_left_out_and_not_bad() -> None:
    frames, bad = cut(ATTITUDE + POWER)
    assert [frame.name for frame in frames] == ["SYS_STATUS"]
    assert bad == 0


@given(st.data())
def test_pieces_do_not_matter(data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.lists(st.sampled_from(ALL), max_size=5)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert cut(*pieces) == cut(stream)


@given(st.integers(0, len(POSITION) * 8 - 1))
def test_a_bit_that_fell_over_is_noticed(bit: int) -> None:
    """Nothing wrong is read, and what follows within the longest frame's bytes is."""
    damaged = bytearray(POSITION)
    damaged[bit // 8] ^= 1 << bit % 8
    frames, _ = cut(bytes(damaged) + RECEPTION * (LONGEST // len(RECEPTION) + 2))
    assert all(frame.name == "GPS_RAW_INT" for frame in frames)
    assert len(frames) >= 1


@given(st.binary(max_size=600))
def test_noise_is_never_kept(noise: bytes) -> None:
    frames = Frames()
    list(frames.cut(noise))
    assert len(frames._rest) <= LONGEST


def test_crc_extra_is_what_the_definition_says() -> None:
    """By the rule of the guide: name and fields of the dialect in the order of the wire."""
    definition = "SYSTEM_TIME uint64_t time_unix_usec uint32_t time_boot_ms "
    crc = checksum(definition.encode())
    assert crc & 0xFF ^ crc >> 8 == KINDS[2].crc_extra


def test_a_drone_is_read_in_its_own_time() -> None:
    frames, _ = cut(POSITION + TIME + POSITION + POWER + RECEPTION)
    drone = Drone()
    first, _, position, power, reception = (drone.take(frame, 5) for frame in frames)
    assert {reading.t for reading in first} == {5}, "it has not told the time"
    assert {reading.t for reading in position} == {1760000000000000 + 23_456_000}
    assert {r.metric: r.value for r in position} == {
        "drone.latitude": 50.6603, "drone.longitude": 14.0415, "drone.altitude": 218.5,
        "drone.height": 35.0, "drone.speed": 5.0, "drone.heading": 270.5,
    }  # fmt: skip
    assert {r.metric: (r.value, r.unit) for r in power} == {
        "drone.voltage": (12.345, "V"), "drone.current": (15.7, "A"), "drone.battery": (87, "%"),
    }  # fmt: skip
    assert [r.value for r in reception] == [3, 14]


def test_what_a_drone_does_not_know_is_absent() -> None:
    drone = Drone()
    power = {"voltage_battery": 0xFFFF, "current_battery": -1, "battery_remaining": -1}
    assert drone.take(Frame(7, "SYS_STATUS", power), 5) == []
    nowhere = {"lat": 0, "lon": 0, "time_boot_ms": 1}
    assert drone.take(Frame(7, "GLOBAL_POSITION_INT", nowhere), 5) == []
    never = {"time_unix_usec": 0, "time_boot_ms": 1}
    assert drone.take(Frame(7, "SYSTEM_TIME", never), 5) == []
    assert drone._booted is None
    unknown = {"fix_type": 0, "satellites_visible": 255}
    assert [r.value for r in drone.take(Frame(7, "GPS_RAW_INT", unknown), 5)] == [0]


def test_over_udp(start: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    running = start(kind="mavlink", source=f"udp://127.0.0.1:{address[1]}", system=7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as drone:

        def flown() -> bool:
            drone.sendto(HEARTBEAT_V1 + POWER[:-1] + b"\0" + POSITION, address)
            return bool(running.values("drone.latitude"))

        running.until(flown)
    assert running.run.bad >= 1
    assert not running.values("drone.voltage"), "its checksum was wrong"
    assert caplog.text.count("no MAVLink frame") == 1


def test_over_a_serial_port(port: Any) -> None:
    sensor = read_sensor({"kind": "mavlink", "source": str(port.path), "system": 7})
    watch = Watch("", lambda: 5)
    pieces = sensor.read(watch)
    assert next(pieces) is None, "opened, and nothing came"
    port.say(RECEPTION[:7])
    assert next(pieces) is None
    port.say(RECEPTION[7:] + HEARTBEAT_V2)
    assert next(pieces) == [
        Reading(5, "drone.fix", 3, "1"), Reading(5, "drone.satellites", 14, "{satellite}"),
    ]  # fmt: skip
    port.say(HEARTBEAT_V2)
    assert next(pieces) is None, "another system is no sign of life of this one"
    port.say(SIGNED)
    assert next(pieces) == []
    watch.stopping.set()
    assert list(pieces) == []
    assert watch.bad == 0


@pytest.mark.parametrize("source", ["tcp://127.0.0.1:1", "udp://127.0.0.1", "ttyACM0"])
def test_a_source_that_is_none(start: Callable[..., Any], source: str) -> None:
    with pytest.raises(ValueError, match="neither udp://host:port"):
        start(kind="mavlink", source=source)
