"""A real browser, and all that it complains of or asks other hosts for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from playwright.sync_api import Page, expect, sync_playwright

PATIENCE = 60.0  # [s]
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Watched(NamedTuple):
    """A page, and all that its browser complained of or asked other hosts for."""

    page: Page
    complaints: list[str]
    elsewhere: list[str]


@contextmanager
def watched(chromium: str, ours: tuple[str, ...], **context: Any) -> Iterator[Watched]:
    """Open a page whose browser is listened to; `ours` are the beginnings of its own addresses."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS + root)
        found = Watched(browser.new_context(**context).new_page(), [], [])
        page = found.page
        page.on(
            "console",
            lambda m: found.complaints.append(m.text) if m.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on(
            "request",
            lambda r: None if r.url.startswith(ours) else found.elsewhere.append(r.url),
        )
        page.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        yield found
        browser.close()
