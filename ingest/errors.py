"""What can go wrong in ingest."""


class IngestError(Exception):
    """Base of what ingest itself says."""


class StoppedError(IngestError):
    """Ingest was asked to stop before this could be committed; it comes again."""
