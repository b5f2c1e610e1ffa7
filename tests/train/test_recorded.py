"""Recorded episodes survive their file, and a file that is wrong loses no more than what is."""

import json

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.interventions.base import Threshold
from handrail.train.rollout.recorded import (
    RecordedEpisode,
    pack,
    read_episode,
    read_episodes,
    unpack,
    write_episodes,
)

WEBP = b"RIFF\x00\x00\x00\x00WEBP more"


def an_episode(**changes):
    n = 5
    columns = {
        "reward": np.linspace(-0.1, 2.0, n),
        "cost": np.array([0, 0, 1.0, 1.0, 0]),
        "intervened": np.array([0, 1, 1, 0, 1]),
        "proposed": np.arange(2.0 * n).reshape(n, 2) / 7,
        "action": np.zeros((n, 2)),
        "evidence/predicted_cost": np.array([0.1, 3.5, 2.5, np.nan, 9.0]),
        "seen/hazards_lidar": np.full((n, 16), 0.123),
        "state/robot": np.arange(3.0 * (n + 1)).reshape(n + 1, 3) / 10,
        "state/goal": np.full((n + 1, 2), np.nan),
    }
    defaults = {
        "kind": "navigation", "environment": "somewhere", "method": "mine", "seed": 3, "number": 1,
        "shielded": True, "columns": columns, "scene": {"extent": 2.0},
        "thresholds": (Threshold("predicted_cost", 2.0, "above"),), "acts": "the guide",
        "outcome": "1 goal reached", "frames": (WEBP,), "every": 2,
    }  # fmt: skip
    return RecordedEpisode(**defaults | changes)


def test_an_episode_survives_its_file(tmp_path):
    given = an_episode()
    write_episodes(tmp_path / "episodes.json", [given])
    (found,) = read_episodes(tmp_path / "episodes.json")
    assert found.missing == ()
    for name in ("kind", "environment", "method", "seed", "number", "shielded", "scene", "frames"):
        assert getattr(found, name) == getattr(given, name)
    assert (found.thresholds, found.every, found.acts) == (given.thresholds, 2, "the guide")
    assert found.columns.keys() == given.columns.keys()
    for name, column in given.columns.items():
        known = np.isfinite(column)
        np.testing.assert_allclose(
            found.columns[name],
            column,
            atol=0.006 * np.max(np.abs(column), initial=1e-9, where=known),
        )


def test_an_episode_that_is_none_does_not_hide_the_others(tmp_path):
    file = tmp_path / "episodes.json"
    file.write_text(json.dumps({"episodes": [7, an_episode().plain()]}))
    (found,) = read_episodes(file)
    assert found.steps == 5 and "episode 1" in found.missing[0]


def test_numbers_keep_four_digits_and_whole_ones_all():
    for values in ([0.12345, -98.765], [1e-9, 2e-9], [3.0, 12345678.0], [np.nan, 1.5], [0.0]):
        array = np.array(values)
        back = unpack(json.loads(json.dumps(pack("reward", array))))
        np.testing.assert_allclose(back, array, atol=5e-4 * max(np.nanmax(abs(array)), 1e-9))
    assert unpack(pack("cost", np.array([3.0, 12345678.0]))).tolist() == [3.0, 12345678.0]


def test_stops_are_where_interventions_begin_and_costs_occur():
    episode = an_episode()
    assert episode.next_stops() == [1, 4] and episode.cost_stops() == [2, 3]
    harm = {"harm": np.array([0, 1, 0, 0, 1])}
    known = an_episode(columns=dict(episode.columns) | harm)
    assert known.next_stops() == [1, 2, 4]  # each veto is right or wrong by itself


def changed(**columns):
    plain = an_episode().plain()
    return plain | {"columns": plain["columns"] | columns}


@pytest.mark.parametrize(
    ("plain", "missing"),
    [
        (changed(reward=pack("reward", np.zeros(3))), "reward: 3 rows, expected 5"),
        (changed(reward=None), "reward: no column of numbers"),
        (changed(reward={"shape": [5], "scale": 1, "values": [1, "x", 1, 1, 1]}), "no number"),
        (changed(reward={"shape": [5], "scale": 0, "values": [1] * 5}), "scale"),
        (changed(reward={"shape": [5, -1], "scale": 1, "values": []}), "shape"),
        (changed(reward={"shape": [5], "scale": 1, "values": [1] * 4}), "4 values, expected 5"),
        (changed(**{"state/robot": pack("state/robot", np.zeros((5, 3)))}), "state/robot: 5 rows"),
        (changed(cost=pack("cost", np.zeros((5, 2)))), "cost: one number a step"),
        (changed(**{"<script>": pack("x", np.zeros(5))}), "unknown name"),
        (an_episode().plain() | {"thresholds": [["a", "b", "sideways"]]}, "a threshold"),
        (an_episode().plain() | {"frames": ["PHN2Zz4=", 7]}, "frame 1"),
        (an_episode().plain() | {"scene": {"extent": float("nan")}}, "scene"),
    ],
)
def test_what_is_wrong_is_named_and_the_rest_is_kept(plain, missing):
    found = read_episode(plain, "here")
    assert len(found.missing) >= 1 and missing in "; ".join(found.missing)
    assert found.steps == 5 and found.next_stops() == [1, 4]
    assert "evidence/predicted_cost" in found.columns
    json.dumps(found.plain(), allow_nan=False)


@pytest.mark.parametrize(
    "plain", [None, [], {}, {"format": 1}, {"format": 99}, changed() | {"columns": 3}]
)
def test_what_holds_no_episode_is_one_line(plain, tmp_path):
    with pytest.raises(HandrailError, match="episode"):
        read_episode(plain, "episode 1")
    (tmp_path / "episodes.json").write_text(json.dumps(plain))
    with pytest.raises(HandrailError, match="episode"):
        read_episodes(tmp_path / "episodes.json")
