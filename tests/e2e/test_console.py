"""The operator's page in a real browser: live counts change, nothing goes wrong, nothing is fetched
from elsewhere."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep, time_ns
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import httpx
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Page, expect

from contracts.batch import SCHEMAS, Batch, encode
from contracts.classes import RoadUser
from contracts.events import CROSSING
from contracts.site import Site, read_site
from contracts.topics import topic
from storage.keys import DEAD_LETTERS
from storage.pool import StorageSettings, connect
from storage.registry import create_api_key, register_site
from tests.e2e import browser
from tests.e2e.browser import PATIENCE, Watched

PILOT = Path(__file__).parents[2] / "pilots" / "usti-belehradska" / "site.toml"
CAMERAS = ("usti-belehradska/cam-1", "usti-belehradska/cam-2")
LETTERS = """
WITH overflow AS (
    INSERT INTO dead_letter_overflow VALUES ('usti-belehradska/cam-1', 'truncated', 12, now())
)
INSERT INTO dead_letter (first_at, last_at, identity, reason, detail, topic, properties, counted,
                         digest, payload)
SELECT now(), now(), 'usti-belehradska/cam-1', 'truncated', '<script>alert(1)</script> ' || detail,
       'tepna/1/usti-belehradska/cam-1/up/obs', '{}', false, detail::bytea, 'x'
FROM unnest(ARRAY['a', 'b', repeat('long ', 90)]) AS detail"""


class Console(NamedTuple):
    """The running console: its address and a key."""

    url: str
    key: str
    site: Site

    @property
    def link(self) -> str:
        return f"{self.url}/?key={self.key}"


@pytest.fixture
def console(database_url: str, mqtt_url: str, tmp_path: Path) -> Iterator[Console]:
    """`tepna api run`, as people run it."""
    plan = read_site(PILOT)
    with connect(StorageSettings(database_url=database_url)) as connection:
        register_site(connection, plan)
        key = create_api_key(connection, "browser")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"TEPNA_DATABASE_URL": database_url, "TEPNA_MQTT_URL": mqtt_url}
    command = [sys.executable, "-c", "from api.cli import app; app()", "run", "--port", str(port)]
    log = tmp_path / "api.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  # our own program
            command, env=os.environ | variables, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: process.poll() is None and is_up(url), log)
        yield Console(url, key, plan)
        process.terminate()
        assert process.wait(PATIENCE) in {0, -15}
    finally:
        process.kill()
        process.wait()
    told = log.read_text(encoding="utf-8")
    assert key not in told
    assert "Traceback" not in told


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    end = monotonic() + 2 * PATIENCE
    while not condition():
        assert monotonic() < end, log.read_text(encoding="utf-8")
        sleep(0.1)


class Street(threading.Thread):
    """Two cameras that see the same car, cyclist and pedestrian go by, over and over."""

    def __init__(self, urls: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._urls = urls
        self._over = threading.Event()
        self._boot = uuid4()
        self._seq = 0

    def stop(self) -> None:
        self._over.set()
        self.join(PATIENCE)

    def run(self) -> None:
        clients = {device: connected(url) for device, url in self._urls.items()}
        start = time_ns() // 1000
        while not self._over.wait(0.25):
            now = time_ns() // 1000
            for device, client in clients.items():
                tracks = self._tracks(now, (now - start) / 1e6)
                self._publish(client, device, "tracks", tracks, [])
            names = [CROSSING, "east-stop", "east-walk"]
            self._publish(clients[CAMERAS[0]], CAMERAS[0], "events", self._crossings(now), names)
        for client in clients.values():
            client.disconnect()
            client.loop_stop()

    def _tracks(self, now: int, age: float) -> dict[str, list[float]]:
        t = [now - 200_000, now - 100_000, now] * 3
        x = [20 - 3 * age % 30] * 3 + [25 - 2 * age % 30] * 3 + [9.0] * 3
        return {
            "t": t,
            "track": [1] * 3 + [2] * 3 + [3] * 3,
            "cls": [RoadUser.CAR] * 3 + [RoadUser.BICYCLE] * 3 + [RoadUser.PEDESTRIAN] * 3,
            "x": x,
            "y": [3.0] * 3 + [5.5] * 3 + [age % 10 - 5] * 3,
            "vx": [-3.0] * 3 + [-2.0] * 3 + [0.0] * 3,
            "heading": [np.pi] * 6 + [1.5] * 3,
            "length": [4.5] * 3 + [1.8] * 3 + [0.5] * 3,
            "width": [1.8] * 3 + [0.6] * 3 + [0.5] * 3,
        }

    def _crossings(self, now: int) -> dict[str, list[float]]:
        return {
            "t": [now - 2, now - 1, now],
            "object": [1, 1, 2],
            "direction": [1, 1, 1],
            "cls": [RoadUser.CAR, RoadUser.BICYCLE, RoadUser.PEDESTRIAN],
            "track": [self._seq, self._seq + 1, self._seq + 2],
            "value": [8.0, 4.0, 1.4],
        }

    def _publish(
        self,
        client: mqtt.Client,
        device: str,
        stream: str,
        given: dict[str, list[float]],
        names: list[str],
    ) -> None:
        dtypes = SCHEMAS[f"{stream}/1"].dtypes
        rows = len(given["t"])
        columns = {n: np.asarray(given.get(n, [0] * rows)).astype(d) for n, d in dtypes.items()}
        self._seq += 1
        batch = Batch(
            schema=f"{stream}/1",
            device=device,
            boot=self._boot,
            seq=self._seq,
            sent_at=time_ns() // 1000,
            columns=columns,
            names=names,
            simulated=True,
        )
        client.publish(topic(device, "up", stream), encode(batch), qos=1)


def connected(url: str) -> mqtt.Client:
    """Client of a device."""
    address = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(unquote(address.username or ""), unquote(address.password or ""))
    client.connect(address.hostname or "", address.port or 1883)
    client.loop_start()
    return client


@pytest.fixture
def street(device_url: Callable[[str], str]) -> Iterator[Street]:
    """Traffic on the pilot's junction."""
    street = Street({device: device_url(device) for device in CAMERAS})
    street.start()
    yield street
    street.stop()


@pytest.fixture
def watched(chromium: str, console: Console) -> Iterator[Watched]:
    """A page of 1440 x 900 whose browser is listened to."""
    size = {"width": 1440, "height": 900}
    with browser.watched(chromium, (console.url, "data:"), viewport=size) as found:
        yield found


@pytest.mark.usefixtures("street")
def test_live_counts_change_and_nothing_goes_wrong(watched: Watched, console: Console) -> None:
    page = watched.page
    page.goto(console.link)
    for group in ("vehicles", "cyclists", "pedestrians"):
        expect(page.get_by_test_id(f"count-{group}-now")).to_have_text("1")
        minute = page.get_by_test_id(f"count-{group}-minute")
        first = minute.inner_text()
        expect(minute).not_to_have_text(first)
        assert minute.inner_text().isdigit()
    expect(page.get_by_test_id("live-state")).to_have_text("živě")
    assert drawn_pixels(page) > 0
    assert watched.complaints == []
    assert watched.elsewhere == []


def test_the_page_fits_speaks_and_keeps_the_key(watched: Watched, console: Console) -> None:
    page = watched.page
    page.goto(console.link)
    expect(page.get_by_test_id("plan-canvas")).to_be_attached()
    assert page.url == f"{console.url}/"
    assert console.key not in page.content()
    assert page.evaluate("document.cookie") == ""

    # The keyboard reaches what can be used, and shows where it is.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "language"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    for width, height in ((1440, 900), (1280, 720)):
        for language, heading in (("cs", "Události"), ("en", "Incidents")):
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{console.url}/?lang={language}")
            expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
            assert page.evaluate("document.documentElement.lang") == language
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    # Nobody has measured anything yet: that is said, and is not zero.
    states = page.get_by_test_id("indicator").evaluate_all("all => all.map(e => e.dataset.state)")
    assert states
    assert set(states) == {"never"}
    expect(page.get_by_test_id("count-vehicles-now")).to_have_text("\u2013")
    assert watched.complaints == []
    assert watched.elsewhere == []


def test_dead_letters_can_be_looked_at(
    watched: Watched, console: Console, database_url: str
) -> None:
    page = watched.page
    with connect(StorageSettings(database_url=database_url)) as connection:
        connection.execute(LETTERS)
        steward = create_api_key(connection, "steward", [DEAD_LETTERS])
    page.goto(console.link)
    page.get_by_test_id("dead-letters").click()
    expect(page.locator(".nothing-here")).to_contain_text("--scope dead-letters")
    # The browser complains of each answer that refuses.
    assert [text for text in watched.complaints if "403" not in text] == []
    watched.complaints.clear()

    page.goto(f"{console.url}/dead-letters?key={steward}")
    expect(page.get_by_test_id("letter")).to_have_count(3)
    expect(page.get_by_test_id("letters-total")).to_have_text("3")
    expect(page.get_by_test_id("overflow")).to_contain_text("truncated")
    assert page.evaluate("document.documentElement.lang") == "cs"
    assert page.evaluate("document.scripts.length") == 0  # what a stranger wrote is text
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    for width, height in ((1440, 900), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert watched.complaints == []
    assert watched.elsewhere == []


def drawn_pixels(page: Page) -> int:
    """Pixels of the plan's canvas that are not empty."""
    return page.evaluate(
        """() => {
            const canvas = document.querySelector("[data-testid=plan-canvas]");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return data.filter((value, i) => i % 4 === 3 && value > 0).length;
        }"""
    )
