"""Runs side by side."""

import json

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS, GrowingTable
from handrail.report.compare import compare

PROGRESS = ("step", "episodes", "cost", "interventions", "mean_return")


def make_run(folder, *, method="dqn", seed=1, steps=30_000, finished=True, cost=2.0):
    folder.mkdir(parents=True)
    settings = {"run": {"method": method, "seed": seed, "learning": {"discount": 0.9}}, "needs": []}
    (folder / "run.json").write_text(json.dumps(settings))
    ends = range(1000, steps + 1, 1000)
    GrowingTable(folder / "episodes.csv", EPISODE_COLUMNS).add(
        dict(zip(EPISODE_COLUMNS, (end, end / 1000, cost, 1000, 0), strict=True)) for end in ends
    )
    total = cost * steps / 1000
    GrowingTable(folder / "progress.csv", PROGRESS).add(
        [dict(zip(PROGRESS, (steps, steps // 1000, total, steps // 4, 0.5), strict=True))]
    )
    if finished:
        (folder / "summary.json").write_text(json.dumps({"wall_s": 12.5, "greedy_return": 0.9}))
    return folder


def test_what_came_out_and_what_differs(tmp_path):
    left = make_run(tmp_path / "a")
    right = make_run(tmp_path / "b", method="full", steps=20_000, finished=False, cost=0.0)
    outcomes, settings = compare([left, right], tmp_path / "out.png")
    assert outcomes.columns == ["", "dqn", "full"]
    rows = {row[0]: row[1:] for row in outcomes.rows}
    assert rows["state"] == ["finished", "going on, or interrupted"]
    assert rows["steps"] == [30_000, 20_000]
    assert rows["final return"] == [np.mean(range(21, 31)), np.mean(range(11, 21))]
    assert rows["cost in all"] == [60.0, 0.0]
    assert rows["cost of an episode"] == [2.0, 0.0]
    assert rows["intervention rate"] == [0.25, 0.25]
    assert rows["wall-clock s"] == [12.5, None]
    assert settings.rows == [["run.method", "dqn", "full"]]
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_equal_settings_are_told_apart_by_their_folders(tmp_path):
    one, two = make_run(tmp_path / "x" / "run"), make_run(tmp_path / "y" / "run")
    outcomes, settings = compare([one, two])
    assert outcomes.columns == ["", "x/run", "y/run"]
    assert settings.rows == []


def test_what_a_run_of_another_family_lacks_is_left_out(tmp_path):
    one, two = make_run(tmp_path / "x"), make_run(tmp_path / "y", method="budget-switch")
    settings = json.loads((one / "run.json").read_text())
    settings["run"]["observation"] = "symbolic"
    (one / "run.json").write_text(json.dumps(settings))
    assert compare([one, two])[0].columns == ["", "dqn, symbolic", "budget-switch"]
    alike = make_run(tmp_path / "z")  # only what it lacks tells it from the first
    assert compare([one, alike])[0].columns == ["", "x", "z"]


def test_seeds_are_called_seeds(tmp_path):
    one, two = make_run(tmp_path / "x", seed=1), make_run(tmp_path / "y", seed=2)
    outcomes, means, _ = compare([one, two])
    assert outcomes.columns == ["", "seed 1", "seed 2"] and means.columns == ["", "all, 2 seeds"]


def test_a_run_that_has_only_begun_is_a_column_of_dashes(tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "run.json").write_text('{"run": {"method": "ae"}}')
    outcomes, _ = compare([make_run(tmp_path / "x"), begun], tmp_path / "out.png")
    rows = {row[0]: row[1:] for row in outcomes.rows}
    assert rows["final return"][1] is None
    assert rows["cost in all"][1] is None
    with pytest.raises(HandrailError, match="nothing to draw"):
        compare([begun, make_run(tmp_path / "none", steps=0)], tmp_path / "out.png")


def test_one_run_is_too_few(tmp_path):
    with pytest.raises(HandrailError, match="1 run: expected at least two"):
        compare([make_run(tmp_path / "x")])


def test_one_run_twice_and_no_run_are_named(tmp_path):
    run = make_run(tmp_path / "x")
    with pytest.raises(HandrailError, match="named twice"):
        compare([run, run])
    with pytest.raises(HandrailError, match="holds no run"):
        compare([run, tmp_path])


def test_runs_that_differ_in_the_seed_alone_are_one_group(tmp_path):
    runs = [make_run(tmp_path / f"dqn-{n}", seed=n, cost=float(n)) for n in (1, 2, 3)]
    other = make_run(tmp_path / "full", method="full", seed=1)
    outcomes, means, settings = compare([*runs, other], tmp_path / "out.png")
    assert outcomes.columns == ["", "dqn, seed 1", "dqn, seed 2", "dqn, seed 3", "full, seed 1"]
    assert means.columns == ["", "dqn, 3 seeds", "full"]
    rows = {row[0]: row[1:] for row in means.rows}
    interval, single = rows["cost of an episode"]
    assert interval.value == 2.0 and 1.0 <= interval.low < 2.0 < interval.high <= 3.0
    assert single == 2.0
    assert [row[0] for row in settings.rows] == ["run.method", "run.seed"]


def test_more_runs_than_columns_are_shown_by_their_groups(tmp_path):
    runs = [make_run(tmp_path / str(n), seed=n) for n in range(9)]
    means, settings = compare(runs, tmp_path / "out.png")
    assert means.columns == ["", "all, 9 seeds"] and settings.rows == []
    odd = [make_run(tmp_path / f"other-{n}", method=f"m{n}") for n in range(9)]
    with pytest.raises(HandrailError, match="these differ in more than the seed"):
        compare(odd)
