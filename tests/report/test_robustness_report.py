"""The report of guides in changed worlds, from outcomes that are known."""

import numpy as np
import pytest

from handrail.envs.changes import NOTHING_CHANGED
from handrail.experiments.plan import plan
from handrail.experiments.schema import read
from handrail.report import robustness as kind
from handrail.report.experiment import write_report
from handrail.report.finished import Finished
from handrail.transfer_check.robustness import (
    Outcome,
    Robustness,
    axis_of,
    mean_robustness,
    worlds_of,
)


def known(side, base=0.0):
    """Costs that grow with mass and with every change, and so do shares."""
    worlds = worlds_of(side)
    costs = [base + 10 * world.mass + world.damping + world.noise + world.delay for world in worlds]
    outcomes = tuple(Outcome(cost, cost / 100) for cost in costs)
    return Robustness(worlds, outcomes, limit=5.0, side=side)


def test_the_grid_has_masses_by_rows_and_dampings_by_columns():
    factors = np.array(axis_of(4))
    np.testing.assert_allclose(known(4).grid("cost"), 10 * factors[:, None] + factors[None])
    assert known(4).outcome(NOTHING_CHANGED).cost == 11


def test_means_are_over_seeds_world_by_world():
    mean = mean_robustness([known(2), known(2, base=4.0)])
    assert mean.outcome(NOTHING_CHANGED).cost == 13
    np.testing.assert_allclose(mean.grid("cost"), known(2, base=2.0).grid("cost"))


def test_the_page_has_a_row_a_world_and_two_columns_a_variant(tmp_path, monkeypatch):
    asked = []

    def measured(path, task, *, limit, side, episodes, seed):
        asked.append((path.parent.name, task, limit, seed))
        return {"alone": known(side, base=float(seed))}

    monkeypatch.setattr(kind, "guide_robustness", measured)
    experiment = read("sagui-robust-guides")
    planned = tuple(plan(experiment, "quick", None, tmp_path))
    finished = Finished(
        experiment=experiment, budget="quick", seeds=(0, 1), rows=planned, command="…",
        seconds=0.0, machine="…",
    )  # fmt: skip
    page, [table] = write_report(finished, tmp_path / "report")
    assert len(asked) == len(set(asked)) == 2 * len(experiment.variants) == 10
    assert {limit for *_, limit, _ in asked} == {5.0}
    assert len(table.columns) == 1 + 2 * len(experiment.variants)
    rows = {row[0]: row[1] for row in table.rows}
    assert rows["nominal"] == 11.5 and rows["delay 8"] == 19.5
    assert rows["mass and damping from 0.5 to 1.5, worst"] == pytest.approx(17.0)
    assert "guides alone, means over 2 seeds" in page.read_text(encoding="utf-8")
    assert (tmp_path / "report" / "figure-1.png").read_bytes().startswith(b"\x89PNG")
