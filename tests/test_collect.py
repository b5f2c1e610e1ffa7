"""Gathering runs into results/: nothing is averaged that was made in different ways."""

import csv

import pytest

from results import collect

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


def test_new_rows_take_the_places_of_older_ones(tmp_path):
    path = tmp_path / "summary.csv"
    first = [ROW, ROW | {"experiment": "f"}]
    collect._write(path, tuple(ROW), first)
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
