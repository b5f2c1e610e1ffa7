"""Numbers in README and docs are those of the raw data under results/."""

import dataclasses
import re

import numpy as np
import pytest

from results import claims, figures, navigation_tables
from results.tables import HERE

SHOWN = re.compile(r"!\[[^]]*\]\((?:\.\./)*results/([^)]+\.png)\)")


@pytest.mark.parametrize("page", claims.pages(), ids=lambda page: page.name)
def test_pages_say_what_the_data_say(page):
    text = page.read_text(encoding="utf-8")
    new, stale = claims.renewed(text)
    assert not stale and new == text, "run: make claims"


def test_a_stale_number_is_found_and_mended(monkeypatch):
    monkeypatch.setitem(claims.NUMBERS, "seven", lambda: "7")
    monkeypatch.setitem(claims.TABLES, "rows", lambda: "| a |\n| --- |")
    text = (
        "It is <!-- data: seven -->6<!-- /data -->.\n\n<!-- data: rows -->\nold\n<!-- /data -->\n"
    )
    new, stale = claims.renewed(text)
    assert stale == ["seven", "rows"]
    assert new == (
        "It is <!-- data: seven -->7<!-- /data -->.\n\n"
        "<!-- data: rows -->\n| a |\n| --- |\n<!-- /data -->\n"
    )
    assert claims.renewed(new) == (new, [])


def test_a_name_that_nothing_computes_is_refused():
    with pytest.raises(claims.Unknown, match="sagui-statik"):
        claims.renewed("<!-- data: sagui-statik -->1<!-- /data -->")


@pytest.mark.parametrize("name", sorted(claims.TABLES))
def test_every_table_is_one(name):
    lines = claims.TABLES[name]().splitlines()
    assert len(lines) > 2
    assert len({line.count("|") for line in lines}) == 1
    assert "nan" not in lines[2] and not re.search(r"[-−]0\.0+\b", claims.TABLES[name]())


def test_both_counts_of_violations_stand_beside_each_other():
    """What an independent audit found in the same data."""
    of = navigation_tables.runs("sagui-static", "budget-switch, tuned on Static")
    assert navigation_tables.kept(of, "") == "250 of 250"
    assert navigation_tables.kept(of, "_by_steps") == "229 of 250"


def test_steps_are_those_until_the_best_methods_return():
    of = navigation_tables.runs("sagui-static", "egpo")
    assert navigation_tables.reached(of, np.inf) == "– (0 of 5)"
    assert navigation_tables.reached(of, -np.inf).endswith("(5 of 5)")


@pytest.mark.parametrize("name", sorted(figures.PICTURES))
def test_pictures_show_what_the_data_say(name):
    assert figures.digest_in(HERE / name) == figures.PICTURES[name].runs.digest, "run: make claims"


def test_every_picture_is_drawn_from_data_and_on_a_page():
    shown = {name for page in claims.pages() for name in SHOWN.findall(page.read_text("utf-8"))}
    there = {str(path.relative_to(HERE)) for path in HERE.rglob("*.png")}
    assert shown == there == {*figures.PICTURES, *figures.FROM_RUNS}


def test_a_picture_of_other_data_is_stale(tmp_path, monkeypatch):
    """Another label, or another variant, is found without drawing; drawn again it is current."""
    own = figures.PICTURES["navigation/sagui-bonus-fresh-short.png"]
    other = dataclasses.replace(own.runs, labels={"entropy": "far from others"})
    monkeypatch.setattr(figures, "HERE", tmp_path)
    monkeypatch.setattr(figures, "PICTURES", {"one.png": own})
    assert figures.stale() == ["one.png"]  # not there
    (tmp_path / "one.png").write_bytes(own.picture())
    assert figures.stale() == []
    monkeypatch.setattr(figures, "PICTURES", {"one.png": dataclasses.replace(own, runs=other)})
    assert figures.stale() == ["one.png"]


def test_raw_data_answer_as_run_folders_do():
    runs = figures.PICTURES["navigation/sagui-static-fresh-short.png"].runs
    (environment,) = runs.experiment.environments
    assert runs.ran(environment)[:2] == ["budget-switch (ours)", "sum-switch"]
    curves = runs.curves("sum-switch", environment)
    assert len(curves) == len(runs.seeds) == 10 and curves[0].steps[-1] == runs.steps == 180_000
    costs = [float(np.sum(own.behaviour_cost * own.behaviour_episodes)) for own in curves]
    np.testing.assert_allclose(runs.values("sum-switch", environment, "total_cost"), costs, atol=60)
    assert runs.limit(environment) == 5
