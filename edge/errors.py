"""What can go wrong on the box."""


class EdgeError(Exception):
    """The edge agent cannot go on; the text says why and what helps."""


class SourceError(EdgeError):
    """A camera or sensor gives nothing (any more)."""


class EndedError(SourceError):
    """The stream ended; opened anew, it may go on."""


class OutboxError(EdgeError):
    """The outbox cannot be used: it is another agent's, or the folder cannot be written to."""


class TruthError(EdgeError):
    """What is said to be true of a clip cannot be used; the text names file, place and fix."""


class DetectorError(EdgeError):
    """The detector cannot be used (any more); the text says why and what would do."""


class ProbeError(EdgeError):
    """The link cannot be probed: the broker does not let us in."""
