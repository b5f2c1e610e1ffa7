"""A headless Chromium that opens pages from files, and says what a page must never do.

`opened` gives a page to look at; it is skipped where no Chromium is installed. When the test is
over it fails if a script raised an error or wrote one to the console, if anything was requested
from elsewhere than the file itself, or if the page is wider than its window.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDE, NARROW = 1280, 390
Misbehaviour = Callable[[Page], list[str]]
Look = Callable[..., tuple[Page, Misbehaviour]]
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
def look(browser, tmp_path) -> Iterator[Look]:
    """`look(page, width=1280, scheme="light")` opens HTML text, or a file.

    `width` is in pixels, `scheme` "light" or "dark". Gives the page, and a function that says what
    it has done until now that it must not do.
    """
    pages: list[Page] = []

    def look_(
        page: str | Path, *, width: int = WIDE, scheme: str = "light"
    ) -> tuple[Page, Misbehaviour]:
        if isinstance(page, str):
            text, page = page, tmp_path / f"page-{len(pages)}.html"
            page.write_text(text, encoding="utf-8")
        shown = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=width < 600
        )
        pages.append(shown)
        told: list[str] = []
        address = page.resolve().as_uri()

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                told.append(f"console: {message.text}")

        def asked(request: Request) -> None:
            if request.url != address and not request.url.startswith(("data:", "blob:")):
                told.append(f"request: {request.url}")

        shown.on("console", said)
        shown.on("pageerror", lambda error: told.append(f"script: {error}"))
        shown.on("request", asked)
        shown.goto(address)

        def misbehaviour(shown: Page) -> list[str]:
            wide = shown.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            wider = [f"the page is {wide} pixels wider than its window"] if wide > 0 else []
            return [*told, *wider]

        return shown, misbehaviour

    yield look_
    for shown in pages:
        shown.close()


@pytest.fixture
def opened(look) -> Iterator[Opened]:
    """As `look`, but gives the page alone; the test fails in its end if a page misbehaved.

    In pages wait for selectors (`page.wait_for_selector`): their content security policy forbids
    `wait_for_function`.
    """
    seen: list[tuple[Page, Misbehaviour]] = []

    def open_(page: str | Path, **options: Any) -> Page:
        seen.append(look(page, **options))
        return seen[-1][0]

    yield open_
    found = [text for shown, misbehaviour in seen for text in misbehaviour(shown)]
    assert not found, "\n".join(found)
