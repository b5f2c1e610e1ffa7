"""Gathering runs into results/: nothing is averaged that was made in different ways."""

import csv
from types import SimpleNamespace

import pytest

from handrail.core.files import write_json
from handrail.core.records import EPISODE_COLUMNS, EPISODES, GrowingTable
from results import collect
from results.guarantee_tables import bounded

ROW = {
    "experiment": "e", "task": "t", "variant": "v", "seed": "1", "steps": "10",
    "commit": "aaa", "machine": "m",
}  # fmt: skip


def test_rows_made_alike_may_be_averaged():
    assert collect.differences([ROW, ROW | {"seed": "2"}]) == []
    other = ROW | {"variant": "w", "commit": "bbb"}
    assert collect.differences([ROW, other]) == []  # never in one mean


@pytest.mark.parametrize("name", collect.ALIKE)
def test_rows_made_in_two_ways_are_named(name):
    (said,) = collect.differences([ROW, ROW | {"seed": "2", name: "other"}])
    assert said.startswith(f"v in t has {name} ") and "other" in said and ROW[name] in said


def test_what_was_not_noted_is_a_difference():
    (said,) = collect.differences([ROW, ROW | {"seed": "2", "commit": ""}])
    assert "aaa and not noted" in said


def test_where_a_run_comes_from_is_read_from_its_folder(tmp_path):
    environments = [{"commit": "abc", "processor": "p", "device": "cpu"}]
    write_json(tmp_path / "environment.json", {"environments": environments})
    write_json(tmp_path / "run.json", {})
    settings = SimpleNamespace(run=SimpleNamespace(seed=0), knowledge={})
    task = SimpleNamespace(settings=settings, folder=tmp_path, needs=())
    found = collect.origin(task)
    assert (found["commit"], found["machine"]) == ("abc", "p, cpu")


def test_new_rows_take_the_places_of_older_ones(tmp_path):
    path = tmp_path / "summary.csv"
    first = [ROW, ROW | {"experiment": "f"}]
    collect.write(path, tuple(ROW), first)
    rows = collect.merged(path, [ROW | {"steps": "20"}, ROW | {"seed": "2"}])
    assert [(row["experiment"], row["seed"], row["steps"]) for row in rows] == [
        ("e", "1", "20"), ("e", "2", "10"), ("f", "1", "10"),
    ]  # fmt: skip


@pytest.mark.parametrize("family", ["lava", "navigation"])
def test_published_rows_of_one_mean_took_the_same_steps(family):
    with open(collect.HERE / family / "summary.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in {row["experiment"] for row in rows}:
        found = collect.differences(row for row in rows if row["experiment"] == name)
        assert not [said for said in found if " has steps " in said]


def test_episodes_above_the_limit_are_counted(tmp_path):
    """At the limit is within it; families without a limit have no such columns."""
    table = GrowingTable(tmp_path / EPISODES, EPISODE_COLUMNS)
    for step, cost in enumerate([0.0, 5.0, 5.5, 30.0], start=1):
        table.add([dict.fromkeys(EPISODE_COLUMNS, 0) | {"step": step, "cost": cost}])
    write_json(tmp_path / "run.json", {})
    run = SimpleNamespace(limit=5.0)
    task = SimpleNamespace(settings=SimpleNamespace(run=run), folder=tmp_path)
    assert collect.broken_limits(task) == {"episodes": 4, "episodes_above_limit": 2}
    del run.limit
    assert collect.broken_limits(task) == {}


@pytest.mark.parametrize(
    ("above", "of", "said"),
    [
        (0, 500, "0 of 500 (≤ 0.6 %)"),  # the rule of three
        (1, 64, "1 of 64 (≤ 7.2 %)"),
        (3, 75_000, "3 of 75,000 (≤ 0.01 %)"),
        (0, 10, "0 of 10 (≤ 26 %)"),
        (30, 30, "30 of 30 (≤ 100 %)"),
    ],
)
def test_bounds_are_those_of_clopper_and_pearson(above, of, said):
    assert bounded(above, of) == said
