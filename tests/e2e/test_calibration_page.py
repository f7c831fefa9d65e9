"""The installer's page in a real browser, on a phone: mark, measure, see, write."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from contracts.site import read_site
from edge.configuration.document import read_document
from simulators.street import renderer
from simulators.world import Scene
from tests.e2e.browser import PATIENCE, Watched, watched

PILOT = Path(__file__).parents[2] / "pilots" / "usti-belehradska"
SHARES = read_document(PILOT / "cam-1.yaml").table["camera"]["calibration"]
ROWS = [[u * 640, v * 360, x, y] for u, v, x, y in SHARES]  # as the page shows them [px]
CONFIG = """\
device: usti-belehradska/cam-1
uplink: {{url: mqtt://broker}}
camera:
  source: {source}  # the mast
  calibration: []
  masks:
    - [[0, 0], [0.09375, 0], [0.09375, 0.11111], [0, 0.11111]]
"""


class Opened(NamedTuple):
    url: str
    config: Path


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The empty junction, as the pilot's camera would show it."""
    nobody = [np.zeros(0, t) for t in (int, np.uint8, *[float] * 7)]
    nobody.insert(2, np.zeros(0))
    plan = read_site(PILOT / "site.toml")
    picture = renderer(plan, "cam-1", seed=7).picture(Scene(0.0, *nobody[: len(Scene._fields) - 1]))
    path = tmp_path_factory.mktemp("still") / "street.png"
    cv2.imwrite(str(path), picture)
    return path


def served(config: Path, *arguments: str) -> Iterator[Opened]:
    tepna = Path(sys.executable).with_name("tepna")
    command = [str(tepna), "edge", "calibrate", str(config), "--page", *arguments]
    process = subprocess.Popen(  # noqa: S603  # our own command
        command, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield Opened(found[0], config)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def written(tmp_path: Path, source: str = "none.avi") -> Path:
    config = tmp_path / "cam-1.yaml"
    config.write_text(CONFIG.format(source=source))
    return config


@pytest.fixture
def opened(tmp_path: Path, still: Path) -> Iterator[Opened]:
    site = str(PILOT / "site.toml")
    yield from served(written(tmp_path), "--picture", str(still), "--site", site, "--write")


@pytest.fixture
def phone(chromium: str) -> Iterator[Watched]:
    with watched(
        chromium,
        ("http://127.0.0.1:", "data:", "blob:"),
        viewport={"width": 390, "height": 780},
        has_touch=True,
        is_mobile=True,
        locale="cs",
    ) as found:
        yield found


def tap(page: Page, u: float, v: float) -> None:
    """Tap a point of the picture (640 x 360), which is fitted into its canvas."""
    box = page.get_by_test_id("picture").bounding_box()
    assert box
    scale = min(box["width"] / 640, box["height"] / 360)
    left = box["x"] + (box["width"] - 640 * scale) / 2
    top = box["y"] + (box["height"] - 360 * scale) / 2
    page.touchscreen.tap(left + u * scale, top + v * scale)


def mark(page: Page, number: int, row: list[float]) -> None:
    tap(page, row[0], row[1])
    page.get_by_test_id(f"east-{number}").fill(str(row[2]).replace(".", ","))
    page.get_by_test_id(f"north-{number}").fill(str(row[3]))


def choose(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).tap()


def test_an_installer_calibrates_draws_and_writes(phone: Watched, opened: Opened) -> None:
    page = phone.page
    page.goto(opened.url)
    expect(page.locator("body[data-picture=shown]")).to_be_visible()
    assert "token" not in page.url
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    small = page.locator("button:visible").evaluate_all(
        "all => all.filter(b => b.getBoundingClientRect().height < 44).map(b => b.textContent)"
    )
    assert small == []
    corners = [ROWS[row] for row in (0, 3, 7, 8, 9, 10, 11)]
    for number, row in enumerate(corners[:3], start=1):
        mark(page, number, row)
    expect(page.locator("#hint")).to_contain_text("Chybí ještě 1 bod")
    for number, row in enumerate(corners[3:], start=4):
        mark(page, number, row)
    expect(page.locator("#rows .error").first).to_contain_text("chyba 0,")
    # A finger on this screen points to a pixel or two of the picture: far away that is decimetres.
    page.get_by_test_id("east-7").fill("30")
    expect(page.get_by_test_id("findings")).to_contain_text("Body 7 nesouhlasí")
    page.get_by_test_id("east-7").fill(str(corners[6][2]))
    expect(page.get_by_test_id("findings").locator("[data-code=wrong]")).to_have_count(0)

    choose(page, "Čáry")
    tap(page, 241, 234)
    tap(page, 338, 214)
    page.locator("#rows input").fill("east-out")
    expect(page.locator("#rows .error")).to_contain_text("na zemi ±0,")
    choose(page, "Zóny")
    for u, v in ((330, 170), (440, 160), (560, 250), (420, 280)):
        tap(page, u, v)
    page.get_by_test_id("close").tap()
    choose(page, "Hotovo")
    page.get_by_test_id("finish").tap()
    expect(page.get_by_test_id("said")).to_contain_text("is written")

    camera = read_document(opened.config).table["camera"]
    assert "# the mast" in opened.config.read_text()
    assert len(camera["calibration"]) == 7
    found = np.array(camera["calibration"])
    assert np.abs(found[:, :2] * (640, 360) - np.array(corners)[:, :2]).max() < 2
    assert found[:, 2:].tolist() == [row[2:] for row in corners]
    assert [line["id"] for line in camera["lines"]] == ["east-out"]
    assert len(camera["zones"][0]["corners"]) == 4
    assert camera["masks"] == [[[0, 0], [0.09375, 0], [0.09375, 0.11111], [0, 0.11111]]]

    choose(page, "Zóny")
    page.locator("#rows").get_by_role("button", name="Smazat").tap()
    choose(page, "Hotovo")
    page.get_by_test_id("finish").tap()
    expect(page.get_by_test_id("block")).to_have_value(re.compile(r"zones: \[\]"))
    assert read_document(opened.config).table["camera"] == camera | {"zones": []}

    page.get_by_role("button", name="English").tap()
    expect(page.get_by_test_id("finish")).to_have_text("Write the configuration")
    assert phone.complaints == []
    assert phone.elsewhere == []


def test_a_point_is_dragged_and_found_on_the_plan(phone: Watched, opened: Opened) -> None:
    page = phone.page
    page.goto(opened.url)
    expect(page.locator("body[data-picture=shown]")).to_be_visible()
    tap(page, 300, 180)
    page.get_by_test_id("plan").scroll_into_view_if_needed()
    page.get_by_test_id("plan").tap(position={"x": 180, "y": 90})
    expect(page.get_by_test_id("east-1")).not_to_have_value("")
    box = page.get_by_test_id("picture").bounding_box()
    assert box
    x, y = box["x"] + box["width"] * 300 / 640, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=4)
    page.mouse.up()
    choose(page, "Hotovo")
    with page.expect_request("**/finish") as request:
        page.get_by_test_id("finish").tap()
    moved = request.value.post_data_json["pairs"][0]["image"]
    assert moved[0] == pytest.approx(300 + 40 * 640 / box["width"], abs=4)
    assert moved[1] == pytest.approx(180, abs=4)


def status(url: str, cookie: str = "") -> int:
    request = urllib.request.Request(url, headers={"Cookie": cookie})  # noqa: S310  # our own server
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code


def test_the_link_opens_once_and_nothing_without_it(phone: Watched, opened: Opened) -> None:
    root = opened.url.partition("?")[0]
    for path in ("", "begin", "picture.jpg", "page.js", "?token=guessed"):
        assert status(root + path) == 401
    phone.page.goto(opened.url)
    expect(phone.page.locator("body[data-picture=shown]")).to_be_visible()
    assert status(opened.url) == 401
    assert status(f"{root}begin", "tepna-calibration=guessed") == 401
    assert status(f"{root}begin", "tepna-calibration") == 401


def test_the_camera_shows_nobody(phone: Watched, tmp_path: Path, shared_data: Path) -> None:
    """The picture comes from the process that decodes, when that knows whom to hide."""
    video = shared_data / "video" / "pets09_s2l1.avi"
    for opened in served(written(tmp_path, str(video))):
        page = phone.page
        page.goto(opened.url)
        expect(page.locator("#waiting")).to_contain_text("Kamera se učí pozadí")
        expect(page.locator("body[data-picture=shown]")).to_be_visible()
        data = page.evaluate(
            "fetch('/picture.jpg').then(r => r.arrayBuffer()).then(b => [...new Uint8Array(b)])"
        )
        image = cv2.imdecode(np.array(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image.shape == (576, 768)
        assert image[:40, :60].max() < 16  # masked
        assert image[60:].mean() > 60  # and not all of it
        raw, boxes = shown_frame(video, image, shared_data / "tracks" / "pets09" / "gt.txt")
        kept = []
        for left, top, width, height in np.maximum(boxes, 0).astype(int):
            part = np.s_[top : top + height, left : left + width]
            if min(raw[part].shape) > 8:
                kept.append(detail(image[part]) / detail(raw[part]))
        assert len(kept) >= 3
        assert np.median(kept) < 0.5


def detail(part: np.ndarray) -> float:
    """What is finer than blocks."""
    return float(cv2.Laplacian(part, cv2.CV_64F).var())


def shown_frame(video: Path, image: np.ndarray, truth: Path) -> tuple[np.ndarray, np.ndarray]:
    """Frame of a recording that a picture shows, and the boxes of who is in it."""
    best, found, number = np.inf, image, 0
    with av.open(str(video)) as container:
        for at, picture in enumerate(container.decode(video=0)):
            raw = picture.to_ndarray(format="gray")
            apart = float(np.median(np.abs(raw[60::4, ::4].astype(int) - image[60::4, ::4])))
            apart += float(np.abs(raw[60::4, ::4].astype(int) - image[60::4, ::4]).mean())
            if apart < best:
                best, found, number = apart, raw, at
    rows = np.loadtxt(truth, delimiter=",")
    return found, rows[rows[:, 0] == number + 1, 2:6]
