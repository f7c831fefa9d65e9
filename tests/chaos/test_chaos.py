"""Whatever goes wrong, nothing is lost, nothing is doubled, every loss is counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disks import SmallDisk
from tests.chaos.faults import KINDS as ACTS
from tests.chaos.faults import play
from tests.chaos.schedule import CYCLE, KINDS, Fault, draw
from tests.chaos.works import Servers, Works


@pytest.fixture
def schedule(seed: int, request: pytest.FixtureRequest) -> list[Fault]:
    """Draw the faults, and say them: they are printed if the run fails."""
    steps = request.config.getoption("steps", default=5)
    schedule = draw(seed, steps)
    print(f"\nseed {seed}:", *schedule, sep="\n  ")  # noqa: T201
    print(f'again: make chaos ARGS="--seed {seed} --steps {steps}"')  # noqa: T201
    return schedule


@pytest.fixture
def works(
    servers: Servers,
    database: tuple[object, SmallDisk | None],
    tmp_path: Path,
    seed: int,
    *,
    is_root: bool,
) -> Iterator[Works]:
    works = Works(servers, tmp_path, seed, disk=database[1], is_root=is_root)
    yield works
    works.close()
    for name, process in works.processes.items():  # shown if the run fails
        print(f"--- {name} ---\n{process.said()}")  # noqa: T201


@pytest.mark.timeout(300)
def test_every_promise_is_kept(works: Works, schedule: list[Fault]) -> None:
    works.wait_for_load()
    play(works, schedule)
    works.settle()
    violations = works.verdict()
    assert not violations, "\n".join(violations)


def test_a_seed_is_a_schedule() -> None:
    assert draw(7, 5) == draw(7, 5) != draw(8, 5)


def test_the_seeds_of_a_cycle_have_every_fault() -> None:
    drawn = {fault.kind for seed in range(CYCLE) for fault in draw(seed, 5)}
    assert drawn == KINDS.keys() == ACTS.keys()
