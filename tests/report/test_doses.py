"""The report over a setting: which one it is, and every value that is drawn."""

import dataclasses
import json

import numpy as np
import pytest

from handrail.artifact import Card, load, save
from handrail.errors import HandrailError
from handrail.experiments.navigation.evaluations import EVALUATIONS, STUDENT_COLUMNS
from handrail.experiments.plan import plan
from handrail.experiments.schema import read
from handrail.records import EPISODE_COLUMNS, EPISODES, PROGRESS, Table
from handrail.report.doses import Response, responses, swept
from handrail.report.experiment import write_report
from handrail.report.finished import Finished
from handrail.report.stats import iqm
from tests.experiments.navigation.toy import write_guide

SHARES = (0.0, 0.25, 0.5, 0.75)


def test_the_setting_is_found():
    assert swept(read("sagui-rescue")) == ("guide.rescue.share", list(SHARES))
    assert swept(read("sagui-margin")) == ("guide.margin", [0.0, 0.2, 0.5, 1.0])


@pytest.mark.parametrize(
    ("variants", "named"),
    [
        ({"a": {"margin": 0.1}, "b": {"margin": 0.1}}, "nothing"),
        ({"a": {"margin": 0.1, "seed": 1}, "b": {"margin": 0.2}}, "margin.*seed"),
        ({"a": {"method": "sac"}, "b": {"method": "egpo"}}, "method"),
        ({"a": {"margin": 0.1}, "b": {}}, "margin"),
    ],
)
def test_anything_else_is_refused(variants, named):
    experiment = dataclasses.replace(read("sagui-rescue"), variants=variants)
    with pytest.raises(HandrailError, match=f"differ in .*{named}.*one setting, with a number"):
        swept(experiment)


def test_every_seed_is_drawn_and_the_line_goes_through_their_middle():
    scores = [np.array([1.0, 2.0, 6.0]), np.array([]), np.array([0.0, np.nan, 4.0])]
    panel = Response("cost", {"static": scores}, limit=5.0)
    (axes,) = responses((0.0, 0.5, 1.0), [panel], xlabel="share", interval="95 %").axes
    line, *points, limit = axes.lines
    assert line.get_xdata().tolist() == [0.0, 1.0], "nothing is drawn where nothing is known"
    assert line.get_ydata().tolist() == [iqm(np.array([[1.0], [2.0], [6.0]])), 2.0]
    assert [own.get_ydata().tolist() for own in points] == [[1.0, 2.0, 6.0], [0.0, 4.0]]
    assert limit.get_ydata() == [5.0, 5.0] and axes.get_xlabel() == "share"


@pytest.fixture
def finished(tmp_path):
    """Two seeds of every share; one run of the last has not finished."""
    planned = plan(read("sagui-rescue"), "reduced", 2, tmp_path)[:-1]
    for place, (row, task) in enumerate(planned):
        task.folder.mkdir(parents=True)
        (task.folder / "run.json").write_text("{}")
        Table(task.folder / EPISODES, EPISODE_COLUMNS).add([])
        Table(task.folder / PROGRESS).add([{"step": 30_000}])
        values = dict.fromkeys(STUDENT_COLUMNS, 1.0)
        Table(task.folder / EVALUATIONS, STUDENT_COLUMNS).add([values | {"step": 30_000}])
        names = (
            "epochs_above_limit", "worst_epoch_cost", "total_cost", "intervention_rate",
            "behaviour_return", "behaviour_cost", "target_return", "target_cost",
        )  # fmt: skip
        summary = {name: float(place) for name in names} | {"steps": 30_000}
        (task.folder / "summary.json").write_text(json.dumps(summary))
        (need,) = task.needs
        need.folder.mkdir(parents=True, exist_ok=True)
        _guide(need.folder / "guide.safetensors", exit_cost=10.0 * float(row.variant) + row.seed)
    return Finished(read("sagui-rescue"), "reduced", (0, 1), tuple(planned), "…", 0.0, "machine")


def _guide(path, *, exit_cost):
    card, arrays = load(write_guide(path))
    evaluation = {"step": 1, "return": 1.0, "cost": 0.0, "length": 9.0, "exit_cost": exit_cost}
    save(path, Card(card.kind, card.spec, card.network, {"evaluation": evaluation}), arrays)


def test_the_report_of_an_experiment(finished, tmp_path, monkeypatch):
    drawn = []

    def keep(values, panels, **options):
        drawn.append((values, panels))
        return responses(values, panels, **options)

    monkeypatch.setattr("handrail.report.doses.responses", keep)
    page, tables = write_report(finished, tmp_path / "report")
    ((values, (exits, total, earned, cost)),) = drawn
    assert values == list(SHARES)
    expected = [[0.0, 1.0], [2.5, 3.5], [5.0, 6.0], [7.5]]
    assert [own.tolist() for own in exits.scores["static"]] == expected
    expected = [[0.0, 4.0], [1.0, 5.0], [2.0, 6.0], [3.0]]
    for panel in (total, earned, cost):
        assert [own.tolist() for own in panel.scores["static"]] == expected
    assert cost.limit == 5.0 and [table.rows[0][0] for table in tables] == ["0"] * 3
    assert (tmp_path / "report" / "figure-2.png").stat().st_size > 10_000  # over steps
    assert "points: every seed" in page.read_text()
