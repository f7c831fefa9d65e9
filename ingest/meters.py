"""What ingest counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.messages import IngestHealth
from ingest.inbox import Inbox
from ingest.store import Tally


class Meters:
    """Counters of one ingest process."""

    def __init__(self, inbox: Inbox, tell: Callable[[], IngestHealth]) -> None:
        self.registry = all_of_them = CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"tepna_ingest_{name}", says, labels, registry=all_of_them)

        self.messages = counter("messages", "Messages committed, of any kind")
        self.batches = counter("batches", "Batches committed")
        self.rows = counter("rows", "Samples committed")
        self.duplicates = counter("duplicates", "Batches that were there already")
        self.unconfirmed = counter("unconfirmed", "Samples held for their time of capture")
        self.letters = counter("dead_letters", "Dead letters", "reason")
        self.over_quota = counter("dead_letters_dropped", "Dead letters over quota")
        self.commit = Histogram(
            "tepna_ingest_commit_seconds", "From taking to committing", registry=all_of_them
        )

        def gauge(name: str, says: str, value: Callable[[], float]) -> None:
            Gauge(f"tepna_ingest_{name}", says, registry=all_of_them).set_function(value)

        gauge("held", "Messages received and not yet acknowledged", lambda: len(inbox))
        gauge("held_bytes", "Bytes of those", lambda: inbox.bytes)
        gauge("reading", "0: no more may be held, and the broker queues", inbox.has_room)
        gauge("oldest_seconds", "How long the oldest is held", lambda: tell().oldest_s)
        gauge("broker_connected", "1: yes", lambda: tell().broker_lost_since is None)
        gauge("database_available", "1: yes", lambda: tell().database_lost_since is None)
        gauge("answers", "Answers to devices not yet confirmed", lambda: tell().answers)

    def count(self, messages: int, tally: Tally, seconds: float) -> None:
        """Count a committed group."""
        self.messages.inc(messages)
        self.batches.inc(tally.batches)
        self.rows.inc(tally.rows)
        self.duplicates.inc(tally.duplicates)
        self.over_quota.inc(tally.over_quota)
        self.unconfirmed.inc(tally.unconfirmed)
        self.commit.observe(seconds)
        for reason, letters in tally.letters.items():
            self.letters.labels(reason).inc(letters)
