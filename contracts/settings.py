"""Settings of a room: environment, file and flags into one typed object, checked at the start."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Final, Self, get_args

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from contracts.errors import SettingsError


class RoomSettings(BaseSettings):
    """Base of each room's settings.

    Flags win over the environment (`TEPNA_...`), that over the file that `TEPNA_SETTINGS` names.
    A value that starts with ``file:`` is read from that file: no secret need stand anywhere else.
    """

    model_config = SettingsConfigDict(
        env_prefix="TEPNA_", extra="ignore", frozen=True, hide_input_in_errors=True
    )
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
        if not file:
            return (init_settings, env_settings)
        if not Path(file).is_file():  # pydantic would read nothing and say nothing
            msg = f"{cls.file_variable}={file}: no such file. Correct the path or unset it."
            raise SettingsError(msg)
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(file)))

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            key: _read(key, value.removeprefix("file:"))
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
        except SourceError as fault:
            msg = f"{fault}: a list or a table is written as JSON there."
            raise SettingsError(msg) from fault
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
            msg = f"{cls.file_variable}={os.environ.get(cls.file_variable)}: {fault}"
            raise SettingsError(msg) from fault


_USER_INFO: Final = re.compile(r"//[^@/\s]*@")


def _read(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        msg = f"{key} is file:{path}, which cannot be read: {fault}. Correct the path."
        raise SettingsError(msg) from None


def _explain(fault: ValidationError, settings: type[RoomSettings]) -> list[str]:
    prefix = settings.model_config.get("env_prefix", "")
    lines = []
    for error in fault.errors(include_url=False):
        if not error["loc"]:  # a rule about several keys: its input is all of them, secrets too
            lines.append(f"{error['msg']}.")
            continue
        key = ".".join(map(str, error["loc"]))
        field = settings.model_fields.get(str(error["loc"][0]))
        secret = field is None or _holds_secret(field.annotation)
        value = "***" if secret else _USER_INFO.sub("//***@", repr(error["input"]))
        given = "is not set" if error["type"] == "missing" else f"is {value}"
        meaning = f" ({field.description})" if field is not None and field.description else ""
        variable = f"{prefix}{key.replace('.', '__')}".upper()
        lines.append(f"{key} {given}: {error['msg']}. Set {variable} or the flag{meaning}.")
    return lines


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))
