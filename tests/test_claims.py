"""Numbers in README and docs are those of the raw data under results/."""

import re

import numpy as np
import pytest

from results import claims, navigation_tables


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
