"""The player in a real browser: it plays, jumps to what the record says, and shows what it has."""

import io

import numpy as np
import pytest

from handrail.interventions.base import Threshold
from handrail.report import html
from handrail.train.rollout.recorded import RecordedEpisode, read_episode

COMMON = {"environment": "somewhere", "seed": 0, "number": 0}
THRESHOLDS = (Threshold("predicted_cost", 2.0, "above"), Threshold("episode_cost", 5.0, "from"))


def lava(**changes):
    columns = {
        "reward": [0.0, 0.0, 0.0, 1.0], "cost": [0.0] * 4, "intervened": [0, 1, 1, 0],
        "proposed": [1, 1, 1, 1], "action": [1, 0, 0, 1], "harm": [0, 1, 0, 0],
        "evidence/distance": [3.0, 1.0, 1.5, 4.0], "evidence/radius": [2.0] * 4,
        "state/robot": [[1, 1, 0], [1, 1, 0], [1, 1, 3], [1, 1, 2], [1, 2, 1]],
    }  # fmt: skip
    return RecordedEpisode(
        kind="lava", method="<b>full</b>", shielded=True,
        columns={name: np.array(values) for name, values in columns.items()},
        scene={"grid": ["####", "#.L#", "#.G#", "####"]},
        thresholds=(Threshold("distance", "radius", "below"),), actions=("left", "forward"),
        acts="a random action", outcome="goal", **COMMON | changes,
    )  # fmt: skip


def navigation(shielded=True, n=12):
    along = np.linspace(-1.5, 1.5, n + 1)
    acted = np.zeros(n)
    acted[4:8] = shielded
    columns = {
        "reward": np.full(n, 0.1), "cost": (np.arange(n) == 6) * 1.0, "intervened": acted,
        "proposed": np.ones((n, 2)), "action": np.zeros((n, 2)),
        "seen/hazards_lidar": np.linspace(0, 1, 16 * n).reshape(n, 16),
        "state/robot": np.stack([along, along / 2, along], axis=1),
        "state/goal": np.full((n + 1, 2), 1.2), "state/vases": np.zeros((n + 1, 2, 3)),
        "evidence/predicted_cost": np.where(acted, 3.0, 1.0), "evidence/episode_cost": np.zeros(n),
    }  # fmt: skip
    scene = {"extent": 2.0, "robot": "car", "hazards": [[0.5, 0.5]], "hazard_size": 0.3,
             "vase_size": 0.1, "goal_radius": 0.3}  # fmt: skip
    return RecordedEpisode(
        kind="navigation", method="budget-switch", shielded=shielded, columns=columns,
        scene=scene, thresholds=THRESHOLDS if shielded else (), acts="the guide", **COMMON,
    )  # fmt: skip


def framed():
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (40, 30), "#336699").save(data, "WEBP")
    n = 6
    columns = {
        "reward": np.ones(n), "cost": np.zeros(n), "intervened": np.zeros(n),
        "proposed": np.zeros((n, 1)), "action": np.zeros((n, 1)),
        "seen/angle": np.sin(np.arange(3.0 * n)).reshape(n, 3),
    }  # fmt: skip
    return RecordedEpisode(
        kind="frames", method="own student", shielded=False, columns=columns,
        frames=(data.getvalue(),) * 2, every=4, **COMMON,
    )  # fmt: skip


def step(page):
    return int(page.get_attribute(".player .body", "data-step"))


def shown(opened, episodes, **options):
    return opened(html.page("t", [html.Player(episodes)]), **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_lava_is_clicked_through(opened, width, scheme):
    page = shown(opened, [lava()], width=width, scheme=scheme)
    assert page.text_content(".player .status") == "As proposed"
    page.click("text=Next intervention")
    assert step(page) == 1
    status = page.text_content(".player .status")
    assert "forward → left" in status and "justified" in status
    assert "distance to unsafe states 1, below 2" in status
    assert page.text_content(".player .evidence tr.over") == "distance to unsafe states1below 2"
    page.click("text=Next intervention")
    assert step(page) == 2 and "needless" in page.text_content(".player .status")
    page.press(".player .body", "End")
    assert page.text_content(".player .status") == "End: goal"
    assert page.is_disabled(".player .next-cost")
    assert page.locator(".player b").count() < 3  # names are text: chart titles alone are bold
    assert page.text_content(".player h3").startswith("<b>full</b>")


@pytest.mark.parametrize("width", [1280, 390])
def test_two_navigation_episodes_stand_beside_each_other(opened, width):
    page = shown(opened, [navigation(), navigation(shielded=False)], width=width, scheme="dark")
    assert page.locator(".player .panel").count() == 2
    page.click("text=Next intervention")
    assert step(page) == 4
    assert "predicted cost 3, above 2" in page.locator(".player .status").first.text_content()
    page.click("text=Next cost")
    assert step(page) == 6
    page.focus(".player .body")
    page.keyboard.press("ArrowLeft")
    assert step(page) == 5
    page.keyboard.press("n")  # there is one alone: round again
    assert step(page) == 4
    robot = page.locator(".player .robot").first.get_attribute("transform")
    place = navigation().columns["state/robot"][4]
    assert f"translate({place[0]:.3f}"[:12] in robot
    page.select_option("select >> nth=1", "")
    assert page.locator(".player .panel").count() == 1


def test_it_plays_to_the_end_and_scrubs(opened):
    page = shown(opened, [lava()])
    page.select_option("select[aria-label=speed]", "80 1")
    page.click("text=Play")
    page.wait_for_selector(".player .body[data-step='4']")
    page.wait_for_selector(".player .play:has-text('Play')")
    page.fill(".player input[type=range]", "2")
    assert step(page) == 2


def test_frames_and_series_of_an_own_environment(opened):
    page = shown(opened, [framed()], width=390)
    assert page.evaluate("document.querySelector('.player img').naturalWidth") == 40
    assert page.locator(".player .series").count() == 4  # action, reward, angle, cost
    page.press(".player .body", "End")
    assert "6 of 6" in page.text_content(".player .where")


def test_what_is_missing_is_said_and_the_rest_is_played(opened):
    plain = lava().plain()
    plain["columns"]["evidence/distance"] = {"shape": [9], "scale": 1, "values": [None] * 9}
    plain["scene"] = {"grid": ["<img src=x onerror=alert(1)>"]}
    page = shown(opened, [read_episode(plain, "here")])
    notice = page.text_content(".player .missing")
    assert "evidence/distance: 9 rows, expected 4" in notice and "no picture" in notice
    page.click("text=Next intervention")
    assert step(page) == 1
