import asyncio
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.sensors.kinds import read_sensor
from edge.sensors.modbus import ModbusSensor
from edge.sensors.plugin import Reading, Watch

ENERGY = {"address": 0, "type": "float32", "metric": "meter.energy_import"}
POWER = {"address": 10, "type": "int16", "metric": "meter.power", "scale": 0.001, "table": "input"}
COUNTER = {
    "address": 20, "type": "uint32", "words": "little", "metric": "water.volume", "unit": "L",
}  # fmt: skip


def words(layout: str, value: float) -> list[int]:
    data = struct.pack(f">{layout}", value)
    return [int.from_bytes(data[n : n + 2]) for n in range(0, len(data), 2)]


def meter() -> SimDevice:
    """A meter with a float, a negative power and a counter whose low word comes first."""
    registers = [
        SimData(0, values=words("f", 1234.5), datatype=DataType.REGISTERS),
        SimData(10, values=words("h", -2500), datatype=DataType.REGISTERS),
        SimData(20, values=words("I", 70_000)[::-1], datatype=DataType.REGISTERS),
    ]
    return SimDevice(id=3, simdata=registers)


class Server:
    """pymodbus's server, in a thread with a loop of its own."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(20)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = self._make()
        await server.serve_forever(background=True)
        self._started.set()
        await self._over.wait()
        await server.shutdown()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[], Any]], Server]]:
    made: list[Server] = []

    def start(make: Callable[[], Any]) -> Server:
        made.append(Server(make))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def address() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return ("127.0.0.1", free.getsockname()[1])


def tcp(address: tuple[str, int]) -> Callable[[], ModbusTcpServer]:
    return lambda: ModbusTcpServer(meter(), address=address)


def test_registers_of_every_form(address: tuple[str, int], serve: Callable[..., Server]) -> None:
    serve(tcp(address))
    sensor = read_sensor({
        "kind": "modbus", "source": f"tcp://127.0.0.1:{address[1]}", "unit_id": 3,
        "registers": [ENERGY, POWER, COUNTER, ENERGY | {"address": 900}],
    })  # fmt: skip
    watch = Watch("", lambda: 5)
    reader = sensor.read(watch)
    assert next(reader) == [
        Reading(5, "meter.energy_import", 1234.5, "kW.h"),
        Reading(5, "meter.power", -2.5, "kW"),
        Reading(5, "water.volume", 70_000.0, "L"),
    ]
    assert watch.bad == 1, "there is no register 900"
    reader.close()


def test_a_meter_that_is_switched_off_comes_back(
    start: Callable[..., Any],
    address: tuple[str, int],
    serve: Callable[..., Server],
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = f"tcp://127.0.0.1:{address[1]}"
    running = start(
        kind="modbus", source=source, unit_id=3, registers=[ENERGY], period_s=1, timeout_s=0.5
    )
    running.until(lambda: "lost" in caplog.text)
    first = Server(tcp(address))
    running.until(lambda: running.values("meter.energy_import") == [1234.5])
    first.close()
    running.until(lambda: caplog.text.count("lost") == 2)
    serve(tcp(address))
    running.until(lambda: len(running.values("meter.energy_import")) > 1)
    running.stop()
    assert [r.message.split(":")[0] for r in caplog.records if r.name.startswith("edge")] == [
        f"sensor {source.split(':', maxsplit=1)[0]}",
    ] * 4, "lost, recovered, lost, recovered"
    assert [r.name for r in caplog.records if r.name.startswith("pymodbus.logging")] == []


def test_rtu_on_a_serial_line(
    make_port: Callable[[str], Any], serve: Callable[..., Server]
) -> None:
    ours, meters = make_port("ttyUSB0"), make_port("ttyUSB1")
    over = threading.Event()

    def wire() -> None:
        """Two pseudo-terminals are the ends of one RS-485 line."""
        while not over.is_set():
            for end in select.select([ours.far, meters.far], [], [], 0.05)[0]:
                os.write(meters.far if end == ours.far else ours.far, os.read(end, 1000))

    line = threading.Thread(target=wire)
    line.start()
    serve(lambda: ModbusSerialServer(
        meter(), framer=FramerType.RTU, port=str(meters.path), baudrate=19_200
    ))  # fmt: skip
    sensor = read_sensor({
        "kind": "modbus", "source": str(ours.path), "baud": 19_200, "unit_id": 3,
        "registers": [ENERGY, POWER],
    })  # fmt: skip
    reader = sensor.read(Watch("", lambda: 5))
    assert [r.value for r in next(reader) or () if isinstance(r, Reading)] == [1234.5, -2.5]
    reader.close()
    over.set()
    line.join(20)


def test_the_log_names_port_and_unit() -> None:
    sensor = read_sensor({"kind": "modbus", "source": "/dev/ttyUSB0", "registers": [ENERGY]})
    assert isinstance(sensor, ModbusSensor)
    assert sensor.place == "/dev/ttyUSB0 unit 1"
    assert sensor.units() == {"meter.energy_import": "kW.h"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"source": "ttyUSB0"}, "neither tcp://host:port nor a serial port"),
        ({"source": "tcp://host:99999"}, "[Pp]ort out of range"),
        ({"registers": []}, "at least 1 item"),
        ({"registers": [ENERGY | {"type": "float16"}]}, "'int16', 'uint16'"),
        ({"registers": [ENERGY | {"unit": "Wh"}]}, "'Wh' is no UCUM unit; write 'W.h'"),
        ({"registers": [ENERGY | {"unit": "W.h"}]}, "is kept in 'kW.h'; write that, and convert"),
        ({"registers": [ENERGY | {"address": -1}]}, "greater than or equal to 0"),
        ({"unit_id": 256}, "less than or equal to 255"),
        ({"parity": "odd"}, "'N', 'E' or 'O'"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], said: str) -> None:
    table = {"kind": "modbus", "source": "tcp://127.0.0.1", "registers": [ENERGY]}
    with pytest.raises(ValueError, match=said):
        read_sensor(table | wrong)
