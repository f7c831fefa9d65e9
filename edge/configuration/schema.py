"""The JSON Schema of an agent's configuration, for editors: made from the model itself."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from contracts.version import __version__
from edge.config import ENVIRONMENT, AgentConfig
from edge.configuration.words import WORDS
from edge.sensors.kinds import DEFAULT, plugins

VERSION: Final = 1
"""Of the configuration; another one does not understand every file of this one."""
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_READ_ANYWAY: Final = {"AgentConfig": ("uplink", "outbox"), "Outbox": ("path",)}
"""Tables and keys that need not be written, because the reader fills them in."""


def agent_schema(*, foreign: bool = True) -> dict[str, Any]:
    """Make the schema.

    Parameters
    ----------
    foreign
        Whether kinds of sensors that other packages bring are in it.
    """
    kinds = plugins(foreign=foreign)
    models: list[Any] = [AgentConfig, *kinds.values()]
    names, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/$defs/{model}"
    )
    parts = schema["$defs"]
    refs = {kind: names[model, "validation"]["$ref"] for kind, model in kinds.items()}
    for kind, ref in refs.items():
        parts[ref.rpartition("/")[2]]["properties"]["kind"] |= {"const": kind}
    for name, part in parts.items():
        _describe(name, part.get("properties", {}))
    parts["Sensor"] = _sensor(parts, refs)
    _leave_out(parts)
    agent = parts.pop("AgentConfig")
    agent["properties"]["sensors"]["items"] = {"$ref": "#/$defs/Sensor"}
    agent["properties"]["modem"] = {
        "$ref": "#/$defs/Sensor",
        "description": agent["properties"]["modem"]["description"],
        "examples": agent["properties"]["modem"]["examples"],
    }
    return {
        "$schema": DIALECT,
        "$id": f"urn:tepna:agent:{VERSION}",
        **agent,
        "title": "Configuration of a Tepna agent",
        "$comment": f"Tepna {__version__}",
        "$defs": parts,
    }


def _describe(name: str, properties: Mapping[str, dict[str, Any]]) -> None:
    """Say of each key what it means; titles repeat its name only."""
    for key, part in properties.items():
        part.pop("title", None)
        if "$ref" in (table := part.get("anyOf", [{}])[0]):  # or null, which nobody writes:
            del part["anyOf"], part["default"]  # so that an editor marks the key in the table
            part.update(table)
        words = WORDS.get(f"{name}.{key}") or WORDS.get(key)
        if words is not None:
            part.setdefault("description", words.description)
            if words.examples:
                part.setdefault("examples", list(words.examples))


def _sensor(parts: Mapping[str, Any], refs: Mapping[str, str]) -> dict[str, Any]:
    """One of the kinds; what another package calls a kind is for its plugin to judge."""
    default = parts[refs[DEFAULT].rpartition("/")[2]]
    default["required"] = [key for key in default.get("required", []) if key != "kind"]
    chosen = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"$ref": ref},
        }
        for kind, ref in refs.items()
    ]
    chosen.append({"if": {"not": {"required": ["kind"]}}, "then": {"$ref": refs[DEFAULT]}})
    known = list(refs)
    return {
        "description": "A source of samples; `kind` says how it is read.",
        "type": "object",
        "properties": {
            "kind": {
                "description": f"How it is read; {DEFAULT} if it is left out.",
                "anyOf": [{"enum": known}, {"type": "string"}],
                "examples": known,
            }
        },
        "allOf": chosen,
    }


def _leave_out(parts: Mapping[str, Any]) -> None:
    """Require nothing that comes from the environment or is filled in."""
    given = {name: list(keys) for name, keys in _READ_ANYWAY.items()}
    for key in ENVIRONMENT.values():
        table, _, name = key.rpartition(".")
        given.setdefault(table.capitalize(), []).append(name)
    for part in parts.values():
        if {"metric", "unit"} <= part.get("properties", {}).keys():  # Tepna's metrics have theirs
            part["required"] = [key for key in part["required"] if key != "unit"]
    for table, names in given.items():
        part = parts[table]
        part["required"] = [key for key in part.get("required", []) if key not in names]
