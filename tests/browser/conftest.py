"""A headless Chromium that opens pages from files, and says what a page must never do.

`opened` gives a page to look at; it is skipped where no Chromium is installed. When the test is
over it fails if a script raised an error or wrote one to the console, if anything was requested
from elsewhere than the file itself, or if the page is wider than its window.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDE, NARROW = 1280, 390
Opened = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The installed Chromium, or the one that HANDRAIL_CHROMIUM names; else the test is skipped."""
    path = os.environ.get("HANDRAIL_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Opened]:
    """`opened(page, width=1280, scheme="light")` opens HTML text, or a file, and returns the page.

    `width` is in pixels, `scheme` "light" or "dark". All pages of a test are looked at in its end.
    """
    pages: list[tuple[Page, list[str]]] = []

    def open_(page: str | Path, *, width: int = WIDE, scheme: str = "light") -> Page:
        if isinstance(page, str):
            text, page = page, tmp_path / f"page-{len(pages)}.html"
            page.write_text(text, encoding="utf-8")
        shown = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=width < 600
        )
        wrong: list[str] = []
        address = page.resolve().as_uri()

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                wrong.append(f"console: {message.text}")

        def asked(request) -> None:
            if request.url != address and not request.url.startswith(("data:", "blob:")):
                wrong.append(f"request: {request.url}")

        shown.on("console", said)
        shown.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        shown.on("request", asked)
        shown.goto(address)
        pages.append((shown, wrong))
        return shown

    yield open_
    found = []
    for shown, wrong in pages:
        wide = shown.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            wrong.append(f"the page is {wide} pixels wider than its window")
        found += wrong
        shown.close()
    assert not found, "\n".join(found)
