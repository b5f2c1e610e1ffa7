"""The player in a real browser: it plays, and the page asks nobody for anything."""

import pytest

from handrail.report import html

STEP = {
    "x": 1, "y": 1, "dir": 0, "proposed": "forward", "action": "left", "intervened": True,
    "reason": "lava ahead", "reward": 0.5, "cost": 0.0, "evidence": {"distance": 1.25},
}  # fmt: skip
EPISODE = {
    "title": "one <b>", "grid": ["####", "#.L#", "#..#", "####"],
    "steps": [STEP, {**STEP, "dir": 3, "intervened": False, "reason": ""}],
    "final": {"x": 1, "y": 2, "dir": 1},
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_player_steps_through_an_episode(opened, width, scheme):
    page = opened(html.page("t", [html.Player([EPISODE])]), width=width, scheme=scheme)
    assert page.text_content(".player .status").startswith("Intervened: forward → left")
    page.click("button[aria-label='one step forward']")
    assert page.text_content(".player .status") == "As proposed"
    assert page.locator(".player b").count() == 0  # names are text
