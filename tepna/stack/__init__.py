"""The local stack: TimescaleDB and Mosquitto without Docker and without root."""

from tepna.stack.errors import StackError
from tepna.stack.local import Endpoints, Stack

__all__ = ["Endpoints", "Stack", "StackError"]
