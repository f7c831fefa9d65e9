"""Settings of analytics."""

from datetime import timedelta

from pydantic import Field

from analytics.metrics import Thresholds
from storage.pool import StorageSettings
from storage.windows import Pace


class AnalyticsSettings(StorageSettings):
    """How windows are computed, and when."""

    workers: int = Field(1, ge=1, le=64, description="processes that compute windows")
    settle_s: float = Field(2.0, ge=0, description="a live window is computed this often at most")
    quiet_s: float = Field(2.0, ge=0, description="an old window rests so long after a mark")
    patience_s: float = Field(30.0, ge=0, description="but no longer than this")
    grace_s: float = Field(15.0, ge=0, description="after its end a minute is closed")
    live_s: float = Field(300.0, ge=0, description="younger minutes come before back-fill")
    poll_s: float = Field(0.25, gt=0, description="rest when nothing is to be done")
    thresholds: Thresholds = Thresholds()

    @property
    def pace(self) -> Pace:
        """When a dirty window's time has come."""
        return Pace(
            settle=timedelta(seconds=self.settle_s),
            quiet=timedelta(seconds=self.quiet_s),
            patience=timedelta(seconds=self.patience_s),
        )
