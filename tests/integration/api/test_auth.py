"""Who gets in: nobody without a key, but for health."""

import logging
from itertools import product

import httpx
import psycopg

from api.settings import ApiSettings
from storage.keys import REMEMBERED_S, KeyRing, find_key


async def test_without_a_key_everything_is_refused(api, subtests):
    paths = ["/v1/sites", "/v1/openapi.json", "/metrics", "/v1/nothing", "/", "/console/plan.js"]
    keys = [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "x"}, {"Cookie": "tepna_key_0=x"}]
    async with httpx.AsyncClient(base_url=api.url) as client:
        for path, headers in product(paths, keys):
            with subtests.test(path=path, headers=headers):
                answer = await client.get(path, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.json()["type"] == "urn:tepna:problem:no-key"
                assert answer.json()["status"] == 401


async def test_health_needs_no_key(api):
    async with httpx.AsyncClient(base_url=api.url) as client:
        answer = await client.get("/v1/health")
    assert answer.status_code == 200
    assert answer.json()["database"]["state"] == "ok"
    assert answer.json()["broker"]["state"] == "ok"


async def test_both_headers_open(api):
    async with httpx.AsyncClient(base_url=api.url) as client:
        for headers in ({"Authorization": f"Bearer {api.key}"}, {"X-API-Key": api.key}):
            answer = await client.get("/v1/sites", headers=headers)
            assert answer.status_code == 200


async def test_the_link_moves_its_key_into_a_cookie_no_script_can_read(api):
    async with httpx.AsyncClient(base_url=api.url) as client:
        answer = await client.get("/", params={"key": api.key, "lang": "en"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/?lang=en"
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        inside = await client.get("/v1/sites")
    assert inside.status_code == 200


async def test_other_links_open_nothing(api):
    async with httpx.AsyncClient(base_url=api.url) as client:
        of_the_api = await client.get("/v1/sites", params={"key": api.key})
        wrong = await client.get("/", params={"key": "wrong"})
    assert of_the_api.status_code == wrong.status_code == 401
    assert "set-cookie" not in wrong.headers


async def test_a_revoked_key_opens_nothing_after_some_seconds(api, database: psycopg.Connection):
    moment = 0.0
    ring = KeyRing(api.app.state.pool, find_key, clock=lambda: moment)
    assert (await ring.find(api.key)).name == "tests"
    database.execute("UPDATE api_key SET revoked_at = now()")
    moment = REMEMBERED_S - 0.1
    assert (await ring.find(api.key)).name == "tests"
    moment = REMEMBERED_S
    assert await ring.find(api.key) is None


async def test_keys_are_never_logged(api, caplog):
    with caplog.at_level(logging.DEBUG):
        async with httpx.AsyncClient(base_url=api.url) as client:
            await client.get("/v1/sites", headers={"X-API-Key": api.key})
    ours = [
        record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    ]
    assert not any(api.key in record.getMessage() for record in ours)


def test_settings_show_no_secrets(settings: ApiSettings):
    assert settings.mqtt_url.get_secret_value() not in repr(settings)
    assert "secret of the agents" not in repr(settings)
