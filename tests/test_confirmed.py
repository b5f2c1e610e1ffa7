"""Students alone, once more: rows take the place of their own, and a table says what is missing."""

import csv

import pytest

from results import collect, confirmed, confirmed_tables, tables


def row(variant, seed, policy, cost, length=1000.0):
    return {
        "experiment": "sagui-mine", "task": "navigation-static", "variant": variant, "seed": seed,
        "policy": policy, "episodes": 200, "mean_return": 2.0, "mean_cost": cost,
        "mean_length": length, "limit": 5.0, "within_limit": cost <= 5, "split": "test",
        "commit": "abc", "machine": "mine",
    }  # fmt: skip


def put(rows, path):
    collect.write(path, confirmed.COLUMNS, collect.merged(path, rows))


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [
            (r["variant"], r["seed"], r["policy"], r["mean_cost"]) for r in csv.DictReader(file)
        ]


def test_a_row_takes_the_place_of_the_same_run_and_policy(tmp_path):
    path = tmp_path / "navigation" / "confirmed.csv"
    put([row("a", 1, "last", 1.0), row("a", 1, "best", 2.0)], path)
    put([row("b", 1, "last", 4.0), row("a", 1, "last", 3.0)], path)
    assert read(path) == [
        ("a", "1", "last", "3.0"), ("a", "1", "best", "2.0"), ("b", "1", "last", "4.0"),
    ]  # fmt: skip


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "HERE", tmp_path)
    rows = [
        row("a", 1, "last", 4.0), row("a", 2, "last", 6.0), row("a", 1, "best", 1.0, length=100.0),
        row("b", 1, "last", 0.0),
    ]  # fmt: skip
    put(rows, tmp_path / "navigation" / "confirmed.csv")
    made = confirmed_tables.confirmed("sagui-mine", {"a": "A", "b": "B"}).splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in made]


def test_both_counts_stand_beside_each_other(table):
    assert table[0] == ["A", "last", "2.0", "4.0 to 6.0", "1 of 2", "1 of 2"]
    assert table[1] == ["A", "best safe", "2.0", "1.0", "1 of 1", "0 of 1"]  # 10 in 1,000 steps


def test_a_method_without_a_safe_policy_says_so(table):
    assert table[3] == ["B", "best safe", "–", "–", "none was", "–"]
