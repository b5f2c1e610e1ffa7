"""The documentation site: every page of what `make docs` has built."""

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from tests.browser.conftest import NARROW, WIDE

SITE = Path(__file__).parents[2] / "build" / "docs"
WIDER = "document.documentElement.scrollWidth - window.innerWidth"
BROKEN = "[...document.images].filter(i => !i.naturalWidth || !i.alt).map(i => i.src)"
OUT_OF_SIGHT = """[...document.querySelectorAll("article pre, article .table-wrapper")]
    .filter(e => e.scrollWidth > e.clientWidth + 2).map(e => e.innerText.slice(0, 60))"""


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    """All of them; the test is skipped where the site has not been built."""
    found = [path for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts]
    if not found:
        pytest.skip("the site has not been built: make docs")
    return found


def test_every_page_is_whole_quiet_and_as_wide_as_its_window(browser, pages):
    """At 1,280 pixels tables and code are all in sight; on a phone they may scroll in their box."""
    told: list[str] = []
    shown = browser.new_page(viewport={"width": WIDE, "height": 900}, color_scheme="light")
    shown.on("pageerror", lambda error: told.append(f"{shown.url}: script: {error}"))
    shown.on(
        "console",
        lambda said: told.append(f"{shown.url}: {said.text}") if said.type == "error" else None,
    )
    shown.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith(("file:", "data:", "blob:"))
            else told.append(f"{shown.url}: request: {asked.url}")
        ),
    )
    for path in pages:
        shown.set_viewport_size({"width": WIDE, "height": 900})
        shown.emulate_media(color_scheme="light")
        shown.goto(path.as_uri())
        told += [f"{path.name}: broken, or without words: {src}" for src in shown.evaluate(BROKEN)]
        told += [f"{path.name}: out of sight: {text!r}" for text in shown.evaluate(OUT_OF_SIGHT)]
        wide = shown.evaluate(WIDER)
        shown.set_viewport_size({"width": NARROW, "height": 900})
        shown.emulate_media(color_scheme="dark")
        narrow = shown.evaluate(WIDER)
        told += [f"{path.name}: {n} pixels too wide" for n in (wide, narrow) if n > 0]
    shown.close()
    assert not told, "\n".join(told)
