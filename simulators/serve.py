"""The street as a process: cameras, sensors, modems and the controller on TCP ports, by the clock.

Each step is due at a fixed distance from one anchor, so nothing drifts. A machine that falls behind
leaves pictures out, as a camera would, and never the world: what is sent carries the time at which
it happened.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.clock import MICROSECONDS, Clock
from contracts.site import read_site
from simulators.errors import SimulatorError
from simulators.ports import Ports
from simulators.street import Moment, moments
from simulators.truth import TruthFile
from simulators.world import World

LATE: Final = 0.5
"""Delay from which on pictures are left out until the clock is reached again. [s]"""

Run = Callable[..., Awaitable[Any]]


class Options(NamedTuple):
    """How a street is served."""

    site_dir: Path
    seed: int
    duration: float = math.inf  # of simulated time; infinite: until stopped [s]
    speed: float = 1.0  # simulated over real time
    start: int | None = None  # captured time of the start [us]; None: now, or earlier if faster
    port: int = 0  # the first of consecutive ports; 0: free ones
    truth: Path | None = None  # JSON lines


@dataclass
class Figures:
    """What a run has done."""

    steps: int = 0
    pictures: int = 0
    left_out: int = 0  # steps without pictures, because the machine was late
    passages: int = 0
    dropped: int = 0  # items that slow clients did not get


async def serve(
    options: Options,
    *,
    clock: Clock,
    ready: Callable[[dict[str, Any]], None],
    stop: asyncio.Event,
) -> Figures:
    """Run a street until its time is over or `stop` is set.

    Parameters
    ----------
    options : Options
        Which street, and how.
    clock : Clock
        Says when it starts.
    ready : Callable
        Is told the endpoints when every port is open, before the first step.
    stop : asyncio.Event
        Ends the run cleanly.
    """
    site = read_site(options.site_dir / "site.toml")
    with ThreadPoolExecutor(1, "street") as one:  # SUMO lives in one thread
        run = partial(asyncio.get_running_loop().run_in_executor, one)
        ports = await run(Ports, site, options.seed)
        world = await run(partial(World, options.site_dir, seed=options.seed))
        figures = Figures()
        try:
            devices = await ports.open(options.port)
            start = _start(options, clock)
            ready({"site": site.id, "seed": options.seed, "start": start, "devices": devices})
            with TruthFile(options.truth, start) as truth:
                steps = moments(world, site, options.duration)
                async for moment, on_time in _paced(steps, options.speed, run, stop):
                    pictures = await run(ports.take_pictures, moment, start) if on_time else {}
                    ports.publish(moment, pictures, start)
                    truth.write(moment.passages)
                    figures.steps += 1
                    figures.pictures += len(pictures)
                    figures.left_out += not on_time
                    figures.passages += len(moment.passages)
        finally:
            await run(world.close)
            await asyncio.gather(*(port.close() for port in ports.all))
            figures.dropped = sum(port.dropped for port in ports.all)
    return figures


async def _paced(
    steps: Iterator[Moment], speed: float, run: Run, stop: asyncio.Event
) -> AsyncIterator[tuple[Moment, bool]]:
    """Yield each step when it is due, and whether it is on time."""
    loop = asyncio.get_running_loop()
    anchor = loop.time()
    while (moment := await run(next, steps, None)) is not None:
        delay = anchor + moment.scene.time / speed - loop.time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(delay, 0.0))
        if stop.is_set():
            return
        yield moment, delay > -LATE


def _start(options: Options, clock: Clock) -> int:
    """Give the captured time of the start: nothing is ever captured in the future."""
    if options.start is not None:
        return options.start
    ahead = max(0.0, 1 - 1 / options.speed)  # of each simulated second
    if ahead == 0:
        return clock()
    if math.isinf(options.duration):
        msg = "a street faster than the clock, without an end, needs a start in the past: --start"
        raise SimulatorError(msg)
    return clock() - round(options.duration * ahead * MICROSECONDS)
