"""The table of formats: who reads which."""

from collections.abc import Callable
from functools import partial

from ingest.foreign import (
    mapping,
    senml,
    shelly,
    sparkplug,
    tasmota,
    things_stack,
    zigbee2mqtt,
)
from ingest.foreign.reading import Message, Reading
from ingest.foreign.settings import Format, Source

Adapter = Callable[[Message, Source], list[Reading]]


def adapters(births: sparkplug.Births) -> dict[Format, Adapter]:
    """Give each format's adapter; Sparkplug's needs the births that were seen."""
    return {
        "senml": senml.read,
        "things-stack": things_stack.read,
        "zigbee2mqtt": zigbee2mqtt.read,
        "tasmota": tasmota.read,
        "shelly": shelly.read,
        "sparkplug": partial(sparkplug.read, births=births),
        "mapping": mapping.read,
    }
