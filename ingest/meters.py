"""What ingest counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.inbox import Inbox
from ingest.store import Tally


class Meters:
    """Counters of one ingest process."""

    def __init__(self, inbox: Inbox) -> None:
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
        waiting = Gauge("tepna_ingest_waiting", "Messages not yet taken", registry=all_of_them)
        waiting.set_function(lambda: len(inbox))

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
