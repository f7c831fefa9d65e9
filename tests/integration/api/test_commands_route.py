"""Devices are asked over the real broker, by who may; desired and reported are told."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import aiomqtt
import pytest
from pydantic import SecretStr

from contracts.clock import from_micros, utc_now
from contracts.messages import COMMAND, DO, Doctor
from contracts.topics import topic
from storage.keys import COMMANDS
from storage.registry import create_api_key
from storage.remote import keep_answer, keep_command, keep_desired, keep_reported

pytestmark = pytest.mark.usefixtures("site")  # the junction is registered
ROUTE = "/v1/devices/town/cam/commands"
DOCTOR = {"do": {"type": "doctor"}, "purpose": "it rattles"}
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def settings(settings, broker):
    """The account that may ask devices."""
    return settings.model_copy(update={"mqtt_url": SecretStr(broker.mqtt_url("api"))})


@pytest.fixture
def cam(database):
    return database.execute("SELECT device FROM device WHERE name = 'cam'").fetchone()[0]


@pytest.fixture
def commander(api, database):
    return api.client(key=create_api_key(database, "duty", [COMMANDS]))


async def test_a_command_reaches_the_device_and_its_result_is_read(
    commander, cam, database, device_url
):
    where = urlsplit(device_url("town/cam"))
    device = aiomqtt.Client(
        where.hostname,
        where.port,
        username=unquote(where.username),
        password=where.password,
        protocol=aiomqtt.ProtocolVersion.V5,
    )
    async with commander as client, device:
        await device.subscribe(topic("town/cam", "command"), qos=1)
        asked = await client.post(ROUTE, json=DOCTOR)
        assert asked.status_code == 202, asked.text
        async with asyncio.timeout(20):
            message = await anext(device.messages)
        command = COMMAND.decode(message.payload)
        assert DO.decode(command.do) == Doctor()
        assert message.properties.ResponseTopic == topic("town/cam", "result")
        assert 0 < message.properties.MessageExpiryInterval <= 30
        ident = asked.json()["id"]
        assert command.id == ident
        assert (await client.get(f"{ROUTE}/{ident}")).json()["state"] is None
        answer = {"state": "done", "reason": "", "answer": {"findings": []}}
        keep_answer(database, cam, command=ident, at=NOON, **answer)
        told = (await client.get(f"{ROUTE}/{ident}")).json()
        assert {key: told[key] for key in answer} == answer
        assert (told["by"], told["do"]) == ("duty", {"type": "doctor"})
    written = database.execute("SELECT actor, action, subject, purpose FROM audit").fetchall()
    assert written == [("duty", "command", "town/cam", f"it rattles [doctor {ident}]")]


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ({"type": "format-disk"}, "format-disk"),
        ({"type": "log-level"}, "level"),
        ({"type": "update", "version": "1.2.3"}, "tepna device ask"),
    ],
)
async def test_what_no_device_can_be_asked_is_refused(commander, database, do, said):
    async with commander as client:
        refused = await client.post(ROUTE, json={"do": do, "purpose": "trying"})
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:tepna:problem:bad-command"
    assert said in refused.json()["detail"]
    assert database.execute("SELECT count(*) FROM device_command").fetchone() == (0,)


async def test_only_who_may_asks_and_says_why(api, commander):
    async with api.client() as client:
        assert (await client.post(ROUTE, json=DOCTOR)).status_code == 403
        assert (await client.get(ROUTE)).json()["items"] == []
    async with commander as client:
        assert (await client.post(ROUTE, json=DOCTOR | {"purpose": ""})).status_code == 422
        assert (await client.post(ROUTE.replace("cam", "none"), json=DOCTOR)).status_code == 404
        assert (await client.get(ROUTE.replace("cam", "none"))).status_code == 404
        assert (await client.get(f"{ROUTE}/no-such-command")).status_code == 404


async def test_commands_are_walked_once_each_newest_first(api, cam, database):
    for number in range(7):
        keep_command(database, cam, f"command-{number}", {"type": "ping"}, NOON)
    found, after = [], {}
    async with api.client() as client:
        while after is not None:
            answer = (await client.get(ROUTE, params={"limit": 3} | after)).json()
            found += [(each["id"], each["by"]) for each in answer["items"]]
            after = {"cursor": answer["next"]} if answer["next"] else None
    assert found == [(f"command-{number}", None) for number in reversed(range(7))]


async def test_a_device_tells_what_is_desired_reported_and_seen(api, cam, site, database):
    async with api.client() as client:
        fresh = (await client.get("/v1/devices/town/cam")).json()
    assert (fresh["desired"], fresh["reported"], fresh["camera_conditions"]) == (None, None, [])

    config = {"batches": {"max_age_s": 2.0}}
    keep_desired(database, cam, 7, config, NOON)
    keep_desired(database, cam, 8, {}, NOON)
    said = {"state": "rolled-back", "reason": "no picture came", "config_hash": "ab", "heard": NOON}
    keep_reported(database, cam, version=8, applied=7, at=NOON, **said)
    now = from_micros(utc_now())
    conditions = [("covered", 3), ("dark", 2), ("dark.over", 1), ("moved", 1)]  # that is simulated
    for kind, hours in conditions:
        at = now - timedelta(hours=hours)
        database.execute(
            "INSERT INTO incident"
            " VALUES (gen_random_uuid(), %s, %s, %s, %s, 2, %s, %s, NULL, NULL, '{}')",
            [site, at, kind == "moved", f"camera.{kind}", at, cam],
        )
    database.execute("INSERT INTO device_clock VALUES (%s, false, %s, 0)", [cam, now])
    async with api.client() as client:
        told = (await client.get("/v1/devices/town/cam")).json()
        (listed,) = (
            each
            for each in (await client.get("/v1/devices")).json()["items"]
            if each["device"] == "town/cam"
        )
    assert told["desired"] == {"version": 8, "config": {}, "at": "2026-05-04T12:00:00Z"}
    assert told["reported"] == {
        "version": 8,
        "state": "rolled-back",
        "reason": "no picture came",
        "applied": 7,
        "config_hash": "ab",
        "at": "2026-05-04T12:00:00Z",
    }
    assert told["camera_conditions"] == ["covered"]
    assert {key: listed[key] for key in ("desired", "reported", "camera_conditions")} == {
        key: told[key] for key in ("desired", "reported", "camera_conditions")
    }
