"""Every check of a box; none stops the others, none disturbs an agent that runs."""

from collections.abc import Callable, Iterator
from typing import Final

from edge.config import AgentConfig
from edge.doctor import box, link, senses
from edge.doctor.finding import Finding

Check = Callable[[AgentConfig], Iterator[Finding]]

CHECKS: Final[tuple[Check, ...]] = (
    box.machine, box.clock, box.disk, box.outbox,
    link.identity, link.broker,
    senses.camera, senses.detector, senses.sensors,
)  # fmt: skip


def examine(config: AgentConfig) -> Iterator[Finding]:
    """Check everything, in the order in which things depend on one another."""
    for check in CHECKS:
        yield from check(config)
