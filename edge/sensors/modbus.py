"""Meters that speak Modbus, RTU on a serial port or TCP: their registers as metrics."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pymodbus import ModbusException
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from edge.errors import SourceError
from edge.sensors.plugin import Pieces, Polled, Quantity, Reading, Watch
from edge.sensors.streams import Baud

MOST: Final = 200
"""Registers that one sensor may name."""

Client = ModbusTcpClient | ModbusSerialClient
_TYPE: Final = {kind.name.lower(): kind for kind in ModbusTcpClient.DATATYPE}


class Register(Quantity):
    """A number in one or several registers, and what it means."""

    address: Annotated[int, Field(ge=0, lt=1 << 16, description="counted from 0")]
    table: Literal["holding", "input"] = "holding"
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"] = (
        "uint16"
    )
    words: Literal["big", "little"] = "big"


class ModbusSensor(Polled):
    """A meter that is asked for its registers."""

    source: str = Field(min_length=1, description="tcp://host:port or a serial port")
    baud: Baud = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    unit_id: Annotated[int, Field(ge=0, le=255)] = 1
    registers: Annotated[list[Register], Field(min_length=1, max_length=MOST)]

    @field_validator("source")
    @classmethod
    def _can_be_opened(cls, source: str) -> str:
        parts = urlsplit(source)
        tcp = parts.scheme == "tcp" and parts.hostname and not parts.path
        if not tcp and not source.startswith("/"):
            msg = "neither tcp://host:port nor a serial port, as /dev/serial/by-id/..."
            raise ValueError(msg)
        _ = parts.port  # ValueError if it is none
        return source

    @property
    def place(self) -> str:
        """The source and whom it asks there."""
        return f"{self.source} unit {self.unit_id}"

    def units(self) -> dict[str, str]:
        """Name what the registers mean."""
        return {register.metric: register.unit for register in self.registers}

    def read(self, watch: Watch) -> Pieces:
        """Ask for all registers, once a period."""
        # It logs each failure; that the meter is lost is said once, by who reads it.
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        with self._connected() as client:
            while True:
                try:
                    yield [r for r in (self._ask(client, x, watch) for x in self.registers) if r]
                except ModbusException as fault:
                    msg = f"it does not answer ({fault})"
                    raise SourceError(msg) from fault
                if watch.wait_for_turn(self.period_s):
                    return

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        client: Client
        if self.source.startswith("/"):
            client = ModbusSerialClient(
                self.source, baudrate=self.baud, parity=self.parity, stopbits=self.stop_bits,
                timeout=self.timeout_s, retries=1,
            )  # fmt: skip
        else:
            parts = urlsplit(self.source)
            client = ModbusTcpClient(
                str(parts.hostname), port=parts.port or 502, timeout=self.timeout_s, retries=1
            )
        try:
            if not client.connect():
                msg = "it cannot be opened; is it there, and may this user?"
                raise SourceError(msg)
            yield client
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def _ask(self, client: Client, register: Register, watch: Watch) -> Reading | None:
        kind = _TYPE[register.type]
        ask: Any = client.read_holding_registers
        if register.table == "input":
            ask = client.read_input_registers
        count = kind.value[1]
        answer = ask(register.address, count=count, device_id=self.unit_id)
        if answer.isError() or len(answer.registers) != count:
            watch.refuse(f"{register.table} register {register.address}: {answer}")
            return None
        number = client.convert_from_registers(answer.registers, kind, word_order=register.words)
        return register.reading(watch.clock(), float(number))  # type: ignore[arg-type]
