"""The page of a device in a real browser, with a real agent, ingest, API, broker and database."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from playwright.sync_api import Page, expect

from contracts.clock import from_micros, utc_now
from contracts.site import read_site
from storage.keys import COMMANDS
from storage.pool import Connection, StorageSettings, connect
from storage.registry import create_api_key, register_site
from storage.remote import keep_desired
from tepna.processes import Processes
from tests.e2e import browser

PILOT = Path(__file__).parents[2] / "pilots" / "usti-belehradska" / "site.toml"
DEVICE = "usti-belehradska/cam-1"
TOKEN = {"TEPNA_PICTURE_TOKEN": "0123456789abcdef"}
CONFIG = """\
device: {device}
simulated: true
camera: {{source: {video}}}
pictures: {{listen: 127.0.0.1:0, token: 0123456789abcdef}}
"""


class Running(NamedTuple):
    url: str
    link: str
    database: Connection


@pytest.fixture
def running(
    broker: Any,
    database_url: str,
    device_url: Callable[[str], str],
    tmp_path: Path,
    shared_data: Path,
) -> Iterator[Running]:
    """Everything from the camera to the page."""
    config = tmp_path / "cam-1.yaml"
    video = shared_data / "video" / "pets09_s2l1.avi"
    config.write_text(CONFIG.format(device=DEVICE, video=video))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = {"TEPNA_DATABASE_URL": database_url}
    with (
        connect(StorageSettings(database_url=database_url)) as connection,
        Processes(tmp_path) as programs,
    ):
        register_site(connection, read_site(PILOT))
        key = create_api_key(connection, "duty", [COMMANDS])
        as_api = {"TEPNA_MQTT_URL": broker.mqtt_url("api")}
        programs.start(
            "ingest", ["ingest", "run"], database | {"TEPNA_MQTT_URL": broker.mqtt_url("ingest")}
        )
        programs.start("api", ["api", "run", "--port", str(port)], database | TOKEN | as_api)
        programs.start(
            "agent", ["edge", "run", str(config)], TOKEN | {"TEPNA_MQTT_URL": device_url(DEVICE)}
        )
        url = f"http://127.0.0.1:{port}"
        seen = "SELECT 1 FROM device_state WHERE (state ->> 'camera')::boolean"
        programs.wait_for("the API", lambda: is_up(url), 2 * browser.PATIENCE)
        programs.wait_for(
            "the camera", lambda: bool(connection.execute(seen).fetchone()), browser.PATIENCE
        )
        yield Running(url, f"{url}/devices/{DEVICE}?lang=en&key={key}", connection)


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def command(page: Page, name: str) -> Any:
    page.get_by_role("button", name=name, exact=True).click()
    newest = page.get_by_test_id("command").first
    expect(newest.locator("b")).to_have_text(name)
    expect(newest).to_have_attribute("data-state", "done")
    return newest


def test_an_operator_looks_asks_and_sees_what_is_configured(
    running: Running, chromium: str
) -> None:
    (device,) = running.database.execute(
        "SELECT device FROM device WHERE pilot || '/' || name = %s", [DEVICE]
    ).fetchone() or (0,)
    now = from_micros(utc_now())
    keep_desired(running.database, device, 7, {"camera": {"lost_after_s": 9.5}}, now)
    ours = (running.url, "data:", "blob:", "https://127.0.0.1:")
    size = {"width": 1440, "height": 900}
    with browser.watched(chromium, ours, viewport=size) as found:
        page = found.page
        page.goto(running.link)
        expect(page.get_by_test_id("state")).to_contain_text("sees")
        expect(page.get_by_test_id("differences")).to_contain_text("camera.lost_after_s")

        page.get_by_test_id("begin").click()
        expect(page.locator("#said")).to_contain_text("Write a reason first")
        page.get_by_test_id("reason").fill("a look")
        page.get_by_test_id("begin").click()
        expect(page.get_by_test_id("unreachable")).to_contain_text("SHA-256")
        page.get_by_test_id("through").click()
        expect(page.locator("[data-testid=live] img.shown")).to_be_visible()
        page.get_by_role("button", name="End", exact=True).click()
        expect(page.locator("#live-said")).to_have_text("The view is ended.")
        # The browser complains of the certificate that it does not trust, and of nothing else.
        assert [text for text in found.complaints if "ERR_CERT" not in text] == []

        examined = command(page, "Examine")
        examined.locator("summary").click()
        expect(examined).to_contain_text("frames come")
        command(page, "Take a picture").get_by_role("button", name="Picture").click()
        expect(page.get_by_test_id("snapshot")).to_be_visible()
        page.keyboard.press("Escape")
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(f"{running.url}/devices/{DEVICE}")
            expect(page.get_by_role("heading", name="Příkazy")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert found.elsewhere == []
    # Where the certificate is trusted the camera itself is shown, until the permit is over.
    with browser.watched(chromium, ours, ignore_https_errors=True) as found:
        page = found.page
        page.clock.install()
        page.goto(running.link)
        page.get_by_test_id("reason").fill("a look")
        page.locator("#minutes").select_option("1")
        page.get_by_test_id("begin").click()
        expect(page.locator("[data-testid=live] img.shown")).to_be_visible()
        expect(page.locator("[data-testid=live] figcaption")).to_contain_text("left")
        page.clock.fast_forward(61_000)
        expect(page.locator("#live-said")).to_have_text("The permit is over.")
        assert found.complaints == []
        assert found.elsewhere == []
    actions = "SELECT action, count(*) FROM audit WHERE actor = 'duty' GROUP BY 1 ORDER BY 1"
    told = dict(running.database.execute(actions).fetchall())
    assert told == {"command": 2, "live": 3, "snapshot": 1}
