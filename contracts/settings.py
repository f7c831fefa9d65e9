"""Settings of a room: environment, file and flags into one typed object, checked at the start."""

import os
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class SettingsError(ValueError):
    """A setting is missing or wrong; the text names key, value and fix, a line for each."""


class RoomSettings(BaseSettings):
    """Base of each room's settings.

    Flags win over the environment (`TEPNA_...`), that over the file that `TEPNA_SETTINGS` names.
    A value that starts with ``file:`` is read from that file: no secret need stand anywhere else.
    """

    model_config = SettingsConfigDict(env_prefix="TEPNA_", extra="ignore", frozen=True)
    file_variable: ClassVar[str] = "TEPNA_SETTINGS"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take flags first, then environment, then file."""
        file = os.environ.get(cls.file_variable)
        more = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *more)

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            key: Path(value.removeprefix("file:")).read_text(encoding="utf-8").strip()
            if isinstance(value, str) and value.startswith("file:")
            else value
            for key, value in values.items()
        }

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read the settings; a flag that is None was not given.

        Raises
        ------
        SettingsError
            If a key is missing or its value cannot be used.
        """
        try:
            return cls(**{key: value for key, value in flags.items() if value is not None})
        except ValidationError as fault:
            raise SettingsError("\n".join(_explain(fault, cls))) from fault
        except (OSError, tomllib.TOMLDecodeError) as fault:
            msg = f"{cls.file_variable}={os.environ.get(cls.file_variable)}: {fault}"
            raise SettingsError(msg) from fault


def _explain(fault: ValidationError, settings: type[RoomSettings]) -> list[str]:
    prefix = settings.model_config.get("env_prefix", "")
    lines = []
    for error in fault.errors(include_url=False):
        key = ".".join(map(str, error["loc"]))
        field = settings.model_fields.get(str(error["loc"][0])) if error["loc"] else None
        secret = field is not None and SecretStr in (field.annotation, type(error["input"]))
        value = "***" if secret or error["type"] == "missing" else repr(error["input"])
        given = "is not set" if error["type"] == "missing" else f"is {value}"
        meaning = f" ({field.description})" if field is not None and field.description else ""
        variable = f"{prefix}{key.replace('.', '__')}".upper()
        lines.append(f"{key} {given}: {error['msg']}. Set {variable} or the flag{meaning}.")
    return lines
