"""The player's block: inert whatever an episode holds, and honest about what is missing."""

import json
import re

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.interventions.base import Threshold
from handrail.report.player.block import player_block
from handrail.report.player.older import from_grid
from handrail.report.recordings import kept
from handrail.train.rollout.recorded import RecordedEpisode, write_episodes

EVIL = "</script><script>alert('&\"')</script>\u2028"
GRID = ["####", "#.L#", "#..#", "####"]
ALL = {"reward": [0.0, 0.0], "cost": [0.0, 1.0], "intervened": [1, 0], "proposed": [2, 2],
       "action": [0, 2], "harm": [1, 1], "evidence/distance": [1.0, 3.0],
       "evidence/radius": [2.0, 2.0],
       "state/robot": [[1, 1, 0], [1, 1, 3], [1, 1, 3]]}  # fmt: skip


def lava(without=(), **changes):
    columns = {
        name: np.array(values) for name, values in ALL.items() if name not in without
    } | changes.pop("columns", {})
    defaults = {
        "kind": "lava", "environment": EVIL, "method": EVIL, "seed": 0, "number": 0,
        "shielded": True, "columns": columns, "scene": {"grid": GRID},
        "thresholds": (Threshold("distance", "radius", "below"),),
        "actions": ("left", "right", "forward"), "acts": EVIL, "outcome": EVIL,
    }  # fmt: skip
    return RecordedEpisode(**defaults | changes)


def navigation(**changes):
    columns = {
        "reward": np.zeros(2), "cost": np.zeros(2), "intervened": np.array([0, 1]),
        "state/robot": np.zeros((3, 3)), "state/goal": np.full((3, 2), np.nan),
    } | changes.pop("columns", {})  # fmt: skip
    scene = {"extent": 2.0, "robot": "point", "hazards": [[0.0, 0.0]], "hazard_size": 0.2,
             "vase_size": 0.1, "goal_radius": 0.3} | changes.pop("scene", {})  # fmt: skip
    return lava(kind="navigation", columns=columns, scene=scene, actions=(), **changes)


def data(*episodes):
    html = player_block(episodes).html
    return json.loads(re.search(r"application/json\">(.*?)</script>", html, re.DOTALL)[1])


def test_nothing_of_an_episode_becomes_markup():
    block = player_block([lava()], EVIL)
    inside = re.search(r"application/json\">(.*?)</script>", block.html, re.DOTALL)[1]
    assert not set("<>&\u2028") & set(inside)
    assert json.loads(inside)[0]["method"] == EVIL
    assert "alert('" not in block.html.replace(inside, "")
    for forbidden in ("innerHTML", "eval(", "fetch(", "http:", "url(", "@import", "Function("):
        assert forbidden not in block.css + block.script.replace("http://www.w3.org/2000/svg", "")
    assert "style" not in re.findall(r"\b(\w+):", block.script)


def test_the_page_gets_the_stops_of_the_record():
    (shown,) = data(lava())
    assert (shown["picture"], shown["missing"]) == ("lava", [])
    assert (shown["next_stops"], shown["cost_stops"]) == ([0], [1])
    (guided,) = data(navigation(without=("harm",)))
    assert guided["picture"] == "navigation"


def test_episodes_that_begin_alike_can_stand_beside_each_other():
    one, same, moved = data(
        lava(), lava(method="other", shielded=False, seed=4),
        lava(columns={"state/robot": np.array([[2, 2, 0], [1, 1, 3], [1, 1, 3]])}),
    )  # fmt: skip
    assert one["match"] == same["match"] != moved["match"]


@pytest.mark.parametrize(
    ("episode", "missing"),
    [
        (lava(without=("state/robot",)), "state/robot is missing"),
        (lava(scene={}), "grid"),
        (lava(scene={"grid": ["##", "#"]}), "equally long"),
        (lava(scene={"grid": ["<b>#", "####"]}), "rows of"),
        (lava(columns={"state/robot": np.array([[9, 1, 0]] * 3)}), "leaves the grid"),
        (lava(columns={"state/robot": np.array([[np.nan, 1, 0]] * 3)}), "finite"),
        (navigation(columns={"state/robot": np.zeros((3, 2))}), "three finite numbers"),
        (navigation(columns={"state/goal": np.zeros((3, 5))}), "two numbers"),
        (navigation(columns={"state/vases": np.zeros((3, 2))}), "vases"),
        (navigation(scene={"hazards": [[0.0, "x"]]}), "hazards"),
        (navigation(scene={"extent": -1}), "extent"),
        (lava(kind="frames"), "rendered no frames"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_named_and_the_rest_is_shown(episode, missing):
    (shown,) = data(episode)
    assert shown["picture"] == "" and missing in "; ".join(shown["missing"])
    assert shown["columns"]["cost"]["values"]


def test_no_episode_is_refused():
    with pytest.raises(HandrailError, match="at least one episode"):
        player_block([])


def older(**changes):
    step = {"x": 1, "y": 1, "dir": 0, "proposed": "forward", "action": "left", "intervened": True}
    step |= {"reason": "near", "reward": 0.5, "cost": 0.0}
    step |= {"evidence": {"distance": None, "radius": 2.0}}
    return {"title": "old", "grid": GRID, "steps": [step]} | changes


def test_episodes_of_older_versions_are_played():
    (shown,) = data(older())
    assert shown["picture"] == "lava" and shown["missing"] == []
    assert shown["thresholds"] == [["distance", "radius", "below"]]
    assert shown["columns"]["evidence/distance"]["values"] == [None]


@pytest.mark.parametrize(
    ("pose", "proposed", "harm"),
    [
        ({"x": 1, "y": 1, "dir": 0}, "forward", 1),
        ({"x": 1, "y": 1, "dir": 1}, "forward", 0),  # the safe gap
        ({"x": 1, "y": 1, "dir": 0}, "left", 0),
        ({"x": 3, "y": 1, "dir": 0}, "forward", 0),
    ],
)
def test_their_vetoes_are_judged_by_the_grid(pose, proposed, harm):
    step = older()["steps"][0] | pose | {"proposed": proposed}
    step["evidence"] = {"prior_advantage": -0.1}
    episode = from_grid(older(steps=[step]), "here", threshold=-0.05)
    assert episode.columns["harm"].tolist() == [harm]
    assert episode.thresholds == (Threshold("prior_advantage", -0.05, "below"),)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"steps": []}, "not empty"),
        ({"grid": ["##", "#"]}, "equally long"),
        ({"grid": ["####", "#.X#", "#..#", "####"]}, "made of"),
        ({"steps": [{"x": 1, "y": 1}]}, "episode 1, step 1: missing dir, proposed"),
        ({"final": {"x": 9, "y": 1, "dir": 0}}, "final: x=9"),
    ],
)
def test_malformed_ones_are_refused(bad, message):
    with pytest.raises(HandrailError, match=message):
        from_grid(older(**bad), "episode 1")


def test_folders_of_both_versions_have_episodes_and_damaged_ones_say_so(tmp_path):
    assert kept(tmp_path) == []
    (tmp_path / "episode.json").write_text(json.dumps(older()))
    assert [episode.method for episode in kept(tmp_path)] == ["old"]
    (tmp_path / "episode.json").write_text(json.dumps(older(grid=7)))
    with pytest.raises(HandrailError, match=r"episode\.json is no recorded episode"):
        kept(tmp_path)
    write_episodes(tmp_path / "episodes.json", [lava(), navigation()])
    assert [episode.kind for episode in kept(tmp_path)] == ["lava", "navigation"]
