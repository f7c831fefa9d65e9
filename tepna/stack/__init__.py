"""The local stack: TimescaleDB and Mosquitto without Docker and without root."""

from tepna.stack.errors import NotRunningError, StackError
from tepna.stack.local import Endpoints, Stack

__all__ = ["Endpoints", "NotRunningError", "Stack", "StackError"]
