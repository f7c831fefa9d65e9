"""Definitions of indicators: versioned files; what is published is never changed, only followed."""

import hashlib
import tomllib
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analytics.indicators.formula import FormulaError, Merged, evaluate
from analytics.jobs.safety import KINDS, SEVERITIES, WHO
from analytics.metrics import METRICS, Of
from contracts.classes import RoadUser
from contracts.site import LineRole, Name, Site, Slug
from storage.windows import Part


class DefinitionError(ValueError):
    """A definition cannot be used; the text names file, key and fault."""


class Direction(StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"


class IntervalMethod(StrEnum):
    """How the confidence interval is made."""

    WILSON = "wilson"
    POISSON_RATE = "poisson-rate"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Part):
    """Rows of one metric that are added up."""

    metric: str
    parts: list[str] = ["*"]  # patterns
    roles: list[LineRole] = list(LineRole)  # of count lines
    directions: list[int] = [1, 0, -1]
    road_users: list[str] | None = None  # None: all together

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        if metric not in METRICS:
            msg = f"no metric {metric!r}, only {', '.join(METRICS)}"
            raise ValueError(msg)
        return metric

    @field_validator("road_users")
    @classmethod
    def _are_known(cls, users: list[str] | None) -> list[str] | None:
        for user in users or []:
            if user.upper() not in RoadUser.__members__:
                msg = f"no road user {user!r}"
                raise ValueError(msg)
        return users

    def wanted_parts(self, site: Site) -> list[str]:
        """Parts of the metric that the site should have, so that one that is missing is missed."""
        match METRICS[self.metric].of:
            case Of.LINE:
                named = [line.id for line in site.lines if line.role in self.roles]
            case Of.APPROACH:
                named = [approach.id for approach in site.approaches]
            case Of.DEVICE:
                named = site.devices
            case Of.CONFLICT:
                every = product(SEVERITIES.values(), KINDS.values(), WHO.values())
                named = ["/".join(words) for words in every]
            case Of.WHO:
                named = list(WHO.values())
        return [name for name in named if any(fnmatchcase(name, p) for p in self.parts)]

    def counts(self, part: Part) -> bool:
        """Whether a row of a wanted part is added up."""
        users = [-1] if self.road_users is None else [RoadUser[u.upper()] for u in self.road_users]
        return part.direction in self.directions and part.road_user in users

    def covers(self, part: Part) -> bool:
        """Whether a row of a wanted part tells how long was observed."""
        return part.direction in self.directions and part.road_user == -1


class Crosswalk(_Part):
    """The same indicator elsewhere."""

    scheme: str
    code: str


class Definition(_Part):
    """What an indicator is and how it is computed."""

    id: Slug
    version: int = Field(ge=1)
    name: Name
    unit: str  # UCUM
    direction: Direction
    period: timedelta
    minimum_coverage: float = Field(gt=0, le=1)
    inputs: dict[str, Input] = Field(min_length=1)
    numerator: str
    denominator: str
    scale: float = 1.0
    interval: IntervalMethod
    crosswalk: list[Crosswalk] = []
    digest: str  # SHA-256 of the file

    @model_validator(mode="after")
    def _formulas_can_be_evaluated(self) -> "Definition":
        some = {k: Merged(1, 1.0, [1], METRICS[i.metric].edges) for k, i in self.inputs.items()}
        for formula in (self.numerator, self.denominator):
            try:
                evaluate(formula, some, {"speed_limit": 1.0})
            except FormulaError as fault:
                raise ValueError(str(fault)) from fault
        return self

    @property
    def metrics(self) -> list[str]:
        """Metrics that it needs."""
        return sorted({i.metric for i in self.inputs.values()})


FOLDER: Final = "definitions"


@cache
def load() -> dict[str, Definition]:
    """Every definition, by id.

    Raises
    ------
    DefinitionError
        If a file does not say what a definition must say.
    """
    folder = files("analytics.indicators") / FOLDER
    found = [path for path in folder.iterdir() if path.name.endswith(".toml")]
    definitions = [
        read(path.name, path.read_bytes()) for path in sorted(found, key=lambda path: path.name)
    ]
    return {definition.id: definition for definition in definitions}


def read(name: str, content: bytes) -> Definition:
    """Read one definition from the content of its file.

    Raises
    ------
    DefinitionError
        If it does not say what a definition must say.
    """
    try:
        document = tomllib.loads(content.decode())
        digest = hashlib.sha256(content).hexdigest()
        return Definition.model_validate(document | {"digest": digest})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as fault:
        msg = f"{name}: {fault}"
        raise DefinitionError(msg) from fault
