"""Every check of a box; none stops the others, none disturbs an agent that runs."""

from collections.abc import Callable, Iterator
from typing import Final

from edge.config import AgentConfig
from edge.doctor import box, link, senses
from edge.doctor.finding import Finding, bad, good

Check = Callable[[AgentConfig], Iterator[Finding]]

BOX: Final[tuple[Check, ...]] = (
    box.machine, box.clock, box.disk, box.outbox,
    link.identity, link.broker,
)  # fmt: skip
SENSES: Final[tuple[Check, ...]] = (senses.detector, senses.sensors)


def examine(config: AgentConfig) -> Iterator[Finding]:
    """Check everything, in the order in which things depend on one another."""
    for check in (*BOX, senses.camera, *SENSES):
        yield from check(config)


def examine_running(config: AgentConfig, *, seeing: bool) -> Iterator[Finding]:
    """Check the same from within the agent: its camera is not opened twice."""
    for check in BOX:
        yield from check(config)
    if config.camera is not None:
        shown = config.camera.shown
        if seeing:
            yield good("camera", f"{shown}: frames come")
        else:
            yield bad("camera", f"{shown}: no frames come", senses.FIX)
        yield from senses.drawn(config)
    for check in SENSES:
        yield from check(config)
