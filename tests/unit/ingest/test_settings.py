"""Ingest's settings are checked at the start, and say what is wrong without the secrets."""

import pytest

from contracts.broker import Broker
from contracts.errors import SettingsError
from ingest.settings import IngestSettings


def test_address_of_the_broker() -> None:
    url = "mqtts://ingest:p%40ss@broker.example"
    settings = IngestSettings.load(database_url="postgresql://", mqtt_url=url)
    assert settings.broker == Broker("broker.example", 8883, True, "ingest", "p@ss")
    plain = IngestSettings.load(database_url="postgresql://", mqtt_url="mqtt://here:1884")
    assert plain.broker == Broker("here", 1884, False, None, None)


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://u:secret@x:port", "broker"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(SettingsError, match="TEPNA_MQTT_URL") as caught:
        IngestSettings.load(database_url="postgresql://", mqtt_url=url)
    assert "secret" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    settings = IngestSettings.load(
        database_url="postgresql://tepna:secret@x/y", mqtt_url="mqtt://ingest:secret@x"
    )
    assert "secret" not in repr(settings)
