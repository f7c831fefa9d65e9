"""A checker that cannot fail proves nothing: each violation is put into a run that was good."""

from collections import Counter

import pytest

from tests.chaos.checker import Dump, Journal, Ledger, Loss, Sent, Taken, Window, check

CAMERA, METER, STRANGER = "chaos/camera", "chaos/meter", "chaos/stranger"
BOOT = "b" * 32
LETTER = (STRANGER, "not-a-batch", b"garbage")


class Run:
    """A good run: eight batches of ten samples, of which the outbox had to drop two."""

    def __init__(self) -> None:
        self.journal = Journal(
            taken=[Taken(BOOT, seq, 10 * seq, 10 * seq + 10) for seq in range(8)],
            dropped=2,
            spare=10,
        )
        self.sent = Sent(tried={1, 2, 3}, safe={1, 2})
        self.samples = Counter(range(80)) - Counter(range(30, 50))
        self.read = Counter([1, 2])
        self.ledger = Ledger(committed=[(0, 3), (5, 8)], lost=[(3, 5)])
        self.losses = [Loss(BOOT, 3, 5, "outbox-full")]
        self.letters = Counter([LETTER])
        self.windows = [
            Window("computed", (b"in", [(1, 2.0)]), (b"in", [(1, 2.0)]), empty=False),
            Window("empty", None, (b"", []), empty=True),
        ]
        self.dirty = 0

    def verdict(self) -> list[str]:
        dump = Dump(
            samples={CAMERA: self.samples, METER: self.read},
            ledger={CAMERA: {BOOT: self.ledger}},
            losses={CAMERA: self.losses},
            letters=self.letters,
            windows=self.windows,
            dirty=self.dirty,
        )
        return check({CAMERA: self.journal}, {METER: self.sent}, [LETTER], dump)


def lose_a_sample(run: Run) -> None:
    del run.samples[7]


def double_a_sample(run: Run) -> None:
    run.samples[7] += 1


def lose_a_batch(run: Run) -> None:
    run.samples -= Counter(range(70, 80))
    run.ledger = run.ledger._replace(committed=[(0, 3), (5, 7)])


def invent_samples(run: Run) -> None:
    run.samples.update(range(100, 120))


def forget_a_loss(run: Run) -> None:
    run.losses = [Loss(BOOT, 3, 4, "outbox-full")]
    run.ledger = run.ledger._replace(lost=[(3, 4)])


def drop_without_counting(run: Run) -> None:
    run.journal = run.journal._replace(dropped=3)


def lose_without_a_reason(run: Run) -> None:
    run.losses = [Loss(BOOT, 3, 5, "")]


def tell_a_loss_that_the_ledger_ignores(run: Run) -> None:
    run.ledger = run.ledger._replace(lost=[(3, 4)])


def keep_what_is_lost(run: Run) -> None:
    run.samples.update(range(30, 40))


def settle_both_ways(run: Run) -> None:
    run.ledger = run.ledger._replace(committed=[(0, 4), (5, 8)])


def lose_what_the_broker_took(run: Run) -> None:
    del run.read[2]


def double_what_the_broker_took(run: Run) -> None:
    run.read[2] += 1


def store_what_was_never_sent(run: Run) -> None:
    run.read[9] += 1


def miss_a_letter(run: Run) -> None:
    run.letters.clear()


def give_a_wrong_reason(run: Run) -> None:
    run.letters = Counter([(STRANGER, "truncated", LETTER[2])])


def leave_a_mark(run: Run) -> None:
    run.dirty = 1


def skip_a_window(run: Run) -> None:
    run.windows[0] = run.windows[0]._replace(stored=None)


def compute_from_stale_inputs(run: Run) -> None:
    run.windows[0] = run.windows[0]._replace(fresh=(b"more", [(1, 2.0)]))


def write_other_rows(run: Run) -> None:
    run.windows[0] = run.windows[0]._replace(stored=(b"in", [(1, 3.0)]))


VIOLATIONS = {
    lose_a_sample: "1 of its 10 samples are not there",
    double_a_sample: "more than once: 7",
    lose_a_batch: "neither committed nor lost",
    invent_samples: "20 samples are there that no outbox has taken",
    forget_a_loss: "2 batches were dropped by its own count, 1 were reported",
    drop_without_counting: "3 batches were dropped by its own count, 2 were reported",
    lose_without_a_reason: "nobody says why",
    tell_a_loss_that_the_ledger_ignores: "the ledger has lost 1, told were 2",
    keep_what_is_lost: "is lost by the ledger, but 10 of its samples are there",
    settle_both_ways: "both committed and lost",
    lose_what_the_broker_took: "not there that the broker took: 2",
    double_what_the_broker_took: "more than once: 2",
    store_what_was_never_sent: "never sent: 9",
    miss_a_letter: "0 times a dead letter for 'not-a-batch'",
    give_a_wrong_reason: "its reasons are ['truncated']",
    leave_a_mark: "1 dirty marks are left",
    skip_a_window: "computed was never computed",
    compute_from_stale_inputs: "from other inputs",
    write_other_rows: "other rows than a fresh computation",
}


def test_a_good_run_is_good() -> None:
    assert Run().verdict() == []


def test_a_sample_may_be_taken_without_a_word_where_its_device_was_killed() -> None:
    run = Run()
    run.samples.update(range(100, 110))
    assert run.verdict() == []


@pytest.mark.parametrize("violate", VIOLATIONS, ids=lambda violate: violate.__name__)
def test_each_violation_is_found(violate) -> None:
    run = Run()
    violate(run)
    assert any(VIOLATIONS[violate] in line for line in run.verdict()), run.verdict()
