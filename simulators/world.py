"""The simulated street: SUMO, one step at a time, as arrays.

The reference point of a vehicle is the middle of its box on the ground, z = 0. SUMO's own is the
middle of the front bumper, with the heading clockwise from north; both are converted here, once.
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, NamedTuple, Self

import libsumo
import numpy as np
from numpy.typing import NDArray

from contracts.classes import RoadUser
from simulators.errors import StreetError, WorldBusyError
from simulators.network import build_network
from simulators.signals import Code, SignalEvent, SignalPlan, read_plan

Floats = NDArray[np.float64]

STEP: Final = 0.1
"""Duration of a step. [s]"""

WARM_UP: Final = 165.0
"""Time that the street fills before the run starts: two cycles, and the queues of a red. [s]"""


class Scene(NamedTuple):
    """Who is where at one moment; N road users, sorted by ident."""

    time: float  # [s] of the run
    ident: NDArray[np.int64]  # (N,) in order of appearance, never used twice
    kind: NDArray[np.uint8]  # (N,) RoadUser
    x: Floats  # (N,) middle of the box [m]
    y: Floats
    heading: Floats  # (N,) [rad], 0 = east, counter-clockwise
    speed: Floats  # (N,) [m/s]
    length: Floats  # (N,) [m]
    width: Floats
    height: Floats


class _Body(NamedTuple):
    domain: Any  # of libsumo: vehicle or person
    ident: int
    kind: RoadUser
    length: float
    width: float
    height: float


class World:
    """SUMO's simulation of a pilot's street; a context manager.

    Parameters
    ----------
    site_dir : Path
        Folder of the pilot: network, signal plan, demand.
    seed : int
        Decides every arrival and driver; the same seed gives the same run, bit for bit.
    warm_up : float
        Time simulated before the run starts. [s]
    additional : Sequence[Path]
        Further SUMO files, detectors for instance.
    """

    _open: ClassVar[bool] = False

    def __init__(
        self,
        site_dir: Path,
        *,
        seed: int,
        warm_up: float = WARM_UP,
        additional: Sequence[Path] = (),
    ) -> None:
        if World._open:
            raise WorldBusyError
        self.plan: SignalPlan = read_plan(site_dir / "signal-plan.toml")
        self._warm_up = warm_up
        self._steps = 0
        self._born = 0
        self._bodies: dict[str, _Body] = {}
        self._on_loop: dict[int, set[str]] = {p.number: set() for p in self.plan.phase}
        self._log = self.plan.log()
        self._next = next(self._log)
        self._running = World._open = True
        try:
            self._start(site_dir, seed, additional)
            for _ in range(round(warm_up / STEP)):
                libsumo.simulationStep()
        except (libsumo.TraCIException, libsumo.FatalTraCIError) as fault:
            self.close()
            raise StreetError(str(fault)) from fault
        except BaseException:
            self.close()
            raise
        self._meet(libsumo.vehicle, libsumo.vehicle.getIDList())
        self._meet(libsumo.person, libsumo.person.getIDList())
        self._scene = self._look()
        self.signal_events()  # of the time before the run

    def _start(self, site_dir: Path, seed: int, additional: Sequence[Path]) -> None:
        with tempfile.TemporaryDirectory(prefix="tepna-sumo-") as folder:
            network = build_network(site_dir, self.plan, Path(folder))
            files = ",".join(map(str, [network.program, *additional]))
            libsumo.start(
                [
                    *("sumo", "--net-file", str(network.net), "--additional-files", files),
                    *("--route-files", str(site_dir / "demand.rou.xml"), "--seed", str(seed)),
                    *("--step-length", str(STEP), "--time-to-teleport", "-1"),
                    *("--no-step-log", "--no-warnings", "--duration-log.disable"),
                ]
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the simulation; a further call does nothing."""
        if self._running:
            libsumo.close()
            self._running = World._open = False

    @property
    def scene(self) -> Scene:
        """The present moment; at the start time 0."""
        return self._scene

    def step(self) -> Scene:
        """Go on by one step."""
        libsumo.simulationStep()
        self._steps += 1
        self._scene = self._look()
        return self._scene

    def signal_state(self) -> str:
        """SUMO's letters of the signals, one per link, of the step just done."""
        return str(libsumo.trafficlight.getRedYellowGreenState(self.plan.junction))

    def colour(self, phase: int, time: float) -> str:
        """SUMO's letter of a signal phase at a second of the run: G, y, r or u."""
        return self.plan.colour(phase, time + self._warm_up)

    def signal_events(self) -> list[SignalEvent]:
        """List what the controller logged since the last call, in order; ask at each step."""
        switched = []
        while self._next.at < self._scene.time + self._warm_up:
            switched.append(self._logged(*self._next))
            self._next = next(self._log)
        return sorted(switched + self._detect())

    def _detect(self) -> list[SignalEvent]:
        """Actuations of the stop-line loops in this step; SUMO knows their moments exactly."""
        found = []
        for phase in self.plan.phase:
            number = phase.number
            before = self._on_loop[number]
            data = libsumo.inductionloop.getVehicleData(f"stop-{number}")
            inside = {name for name, _, _, left, _ in data if left < 0}
            entries = [entry for name, _, entry, _, _ in data if name not in before]
            exits = [left for _, _, _, left, _ in data if left >= 0]
            # A loop is one contact: only the first on it and the last off it make an event.
            if entries and not before:
                found.append(self._logged(min(entries), Code.DETECTOR_ON, number))
            if exits and not inside:
                found.append(self._logged(max(exits), Code.DETECTOR_OFF, number))
            self._on_loop[number] = inside
        return found

    def _logged(self, at: float, code: int, parameter: int) -> SignalEvent:
        return SignalEvent(at - self._warm_up, code, parameter)

    def _look(self) -> Scene:
        """Read where everybody is; who came and who left since the last look is known to SUMO."""
        come = libsumo.simulation
        for name in (*come.getArrivedIDList(), *come.getArrivedPersonIDList()):
            self._bodies.pop(name, None)
        self._meet(libsumo.vehicle, come.getDepartedIDList())
        self._meet(libsumo.person, come.getDepartedPersonIDList())
        rows: list[tuple[float, ...]] = []
        for name, body in self._bodies.items():
            domain = body.domain
            x, y = domain.getPosition(name)
            heading = math.remainder(math.radians(90.0 - domain.getAngle(name)), math.tau)
            if domain is libsumo.vehicle:  # a person's position is the middle already
                back = body.length / 2
                x, y = x - back * math.cos(heading), y - back * math.sin(heading)
            rows.append((*body[1:], x, y, heading, domain.getSpeed(name)))
        return _scene(self._steps * STEP, rows)

    def _meet(self, domain: Any, names: Sequence[str]) -> None:
        for name in (name for name in names if name not in self._bodies):
            kind = RoadUser[domain.getTypeID(name).partition(".")[0].upper()]
            size = domain.getLength(name), domain.getWidth(name), domain.getHeight(name)
            self._bodies[name] = _Body(domain, self._born, kind, *size)
            self._born += 1


def _scene(time: float, rows: list[tuple[float, ...]]) -> Scene:
    table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 9)
    ident, kind, length, width, height, x, y, heading, speed = table.T
    return Scene(
        time,
        ident.astype(np.int64),
        kind.astype(np.uint8),
        x,
        y,
        heading,
        speed,
        length,
        width,
        height,
    )
