"""How this box gets a new version."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Update(BaseModel):
    """The program that installs a version, and how long the new one may take to prove itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Annotated[list[str], Field(min_length=1, max_length=20)] = Field(
        description="program and arguments; `install VERSION` or `restore VERSION` follow"
    )
    folder: Path | None = Field(None, description="folder that the program writes to")
    timeout_s: float = Field(900.0, gt=0, le=7200, description="how long the program may take")
    healthy_for_s: float = Field(60.0, gt=0, description="the new version is believed after that")
    within_s: float = Field(300.0, gt=0, description="by then it must be, or the old one is back")
