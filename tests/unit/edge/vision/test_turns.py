import numpy as np

from edge.vision import turns as module
from edge.vision.counting import Counter, Crossing, Line
from edge.vision.turns import Turns

GATES = {"north": "in", "east": "in"}


def passed(line, direction, captured=0, track=7):
    return Crossing(line, direction, track, 5, captured, np.nan, 0.8)


def run(*frames, living=(7,), enters=GATES):
    """Turns of frames of passages; afterwards nobody lives any more."""
    turns, found = Turns(enters), []
    for crossings in frames:
        found += turns.step(np.array(living, np.uint32), crossings)
    found += turns.step(np.zeros(0, np.uint32), [])
    assert not turns._entered
    return [(t.entry, t.exit) for t in found], found


def test_from_gate_to_gate_is_one_turn():
    gates, (turn,) = run([passed("north", "in", 1_000_000)], [], [passed("east", "out", 5_500_000)])
    assert gates == [("north", "east")]
    assert (turn.duration, turn.captured, turn.kind, turn.track) == (4.5, 5_500_000, 5, 7)


def test_both_in_one_frame_go_by_time():
    assert run([passed("east", "out", 2), passed("north", "in", 1)])[0] == [("north", "east")]


def test_unmatched_ends_are_kept_as_such():
    gates, (turn,) = run([passed("north", "in")])
    assert gates == [("north", None)]
    assert np.isnan(turn.duration)
    assert run([passed("east", "out")])[0] == [(None, "east")]
    assert run([passed("north", "in")], [passed("east", "in")])[0] == [
        ("north", None), ("east", None),
    ]  # fmt: skip


def test_others_and_lines_that_are_no_gates_do_not_matter():
    frames = [passed("north", "in")], [passed("walk", "out")], [passed("east", "out", track=8)]
    assert run(*frames, living=(7, 8))[0] == [(None, "east"), ("north", None)]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    turns = Turns(GATES)
    found = turns.step(
        np.arange(5, dtype=np.uint32), [passed("north", "in", i, i) for i in range(5)]
    )
    assert [t.track for t in found] == [0, 1, 2]


def test_who_is_never_confirmed_or_flickers_on_the_gate_makes_no_more_turns():
    def walk(confirmed):
        counter, turns, found = Counter([Line("north", (0, 100), (200, 100))]), Turns(GATES), []
        for i, y in enumerate([80, *[98, 102] * 10, 140]):
            ids, one = np.array([7], np.uint32), np.array([0.8])
            crossings = counter.step(
                ids, np.array([True]), np.array([confirmed]), np.array([[50.0, y]]),
                np.array([20.0]), np.array([5], np.uint8), one, one, i,
            )  # fmt: skip
            found += turns.step(ids, crossings)
        return found + turns.step(np.zeros(0, np.uint32), [])

    assert walk(confirmed=False) == []
    assert [(t.entry, t.exit) for t in walk(confirmed=True)] == [("north", None)]
