"""Pages load nothing, run nothing that came as data, and show what they were given."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.equations.interval import Interval
from handrail.report import html
from handrail.report.figures import Panel, curves

EVIL = "</script><script>alert('&\"')</script>"
VOID = {"meta", "img", "input", "br", "source"}  # elements without an end


def episode(**changes):
    step = {"x": 1, "y": 1, "dir": 0, "proposed": "forward", "action": "left", "intervened": True}
    step |= {"reason": EVIL, "reward": np.float32(0.5), "cost": 0.0}
    step |= {"evidence": {"distance": np.float64("nan"), "prior": np.int32(2)}}
    return {"title": EVIL, "grid": ["####", "#.L#", "#..#", "####"], "steps": [step]} | changes


def picture():
    """A small figure."""
    panel = Panel("p", "return", {"dqn": (np.arange(1, 4), Interval(*[np.arange(3.0)] * 3))})
    return curves([[panel]], width=1.5, height=1.0)


class Tags(HTMLParser):
    """Collects tags, their attributes, and whether they nest."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def a_page():
    return html.page(
        EVIL,
        [
            html.Heading(EVIL),
            html.Text(EVIL),
            html.Table([EVIL, "n"], [[EVIL, 1.5], ["b", Interval(0.91, 0.88, 0.93)]], EVIL),
            html.Picture(picture, EVIL, EVIL),
            html.Player([episode()], EVIL),
        ],
        lead=EVIL,
        facts={EVIL: EVIL},
    )


def test_the_page_is_well_formed_and_escapes_everything():
    text = a_page()
    tags = Tags(text)
    assert tags.open == []
    assert "alert('&" not in text
    assert sum(tag == "script" for tag, _ in tags.found) == 2  # the data and the player


def test_the_page_requests_nothing():
    tags = Tags(a_page())
    for tag, attributes in tags.found:
        assert tag not in {"link", "iframe", "object", "embed"}
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("data:image/png;base64,", "#"))
    policy = next(a["content"] for t, a in tags.found if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert not re.search(r"url\(|@import|innerHTML|fetch\(", a_page())


def test_a_page_without_a_player_has_no_script():
    assert "<script" not in html.page("t", [html.Text("x")])


def test_numbers_are_readable():
    cells = [">1,050<", "999.00", "−0.50", "never", "–", "0.91</b>", "0.88 – 0.93", "200,000"]
    row = [1050.0, 999.0, -0.5, float("inf"), None, Interval(0.91, 0.88, 0.93), 200_000]
    text = html.page("t", [html.Table(list("abcdefg"), [row])])
    for cell in cells:
        assert cell in text
    with pytest.raises(HandrailError, match="row 1: 1 cells for 2 columns"):
        html.page("t", [html.Table(["a", "b"], [["x"]])])


def test_a_single_seed_has_no_interval():
    nan = float("nan")
    assert html.over_seeds(np.array([nan, 2.5])) == 2.5
    assert html.over_seeds(np.array([nan])) is None
    three = html.over_seeds(np.array([3]))
    assert three == 3 and isinstance(three, int)
    several = html.over_seeds(np.array([1.0, nan, 3.0]))
    assert isinstance(several, Interval) and several.value == 2.0


def test_comparison_puts_published_values_beside_ours():
    ours = {"S9N1": {"dqn": Interval(0.6, 0.5, 0.7)}, "S9N4": {"mine": Interval(0.1, 0.1, 0.1)}}
    table = html.comparison(ours, {"S9N1": {"dqn": 0.57, "vae": 0.05}}, labels={"dqn": "DQN"})
    assert list(table.columns) == ["method", "S9N1", "published", "S9N4"]
    assert [list(row) for row in table.rows] == [
        ["DQN", ours["S9N1"]["dqn"], 0.57, None],
        ["mine", None, None, ours["S9N4"]["mine"]],
        ["vae", None, 0.05, None],
    ]
