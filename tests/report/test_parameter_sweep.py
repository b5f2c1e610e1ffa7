"""The report over a setting: which one it is, and every value that is drawn."""

import dataclasses
import json

import pytest

from handrail.core.artifact import Card, load, save
from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS, EPISODES, EVALUATIONS, PROGRESS, GrowingTable
from handrail.experiments.plan import plan
from handrail.experiments.schema import read
from handrail.methods.sagui.evaluations import STUDENT_COLUMNS
from handrail.report.experiment import write_report
from handrail.report.finished import Finished
from handrail.report.parameter_sweep import panels, swept
from tests.experiments.navigation.toy import write_guide

SHARES = (0.0, 0.25, 0.5, 0.75)


def test_the_setting_is_found():
    assert swept(read("sagui-rescue")) == ("guide.rescue.share", list(SHARES))
    assert swept(read("sagui-margin")) == ("guide.limit_fraction", [0.0, 0.2, 0.5, 1.0])


@pytest.mark.parametrize(
    ("variants", "named"),
    [
        ({"a": {"margin": 0.1}, "b": {"margin": 0.1}}, "nothing"),
        ({"a": {"margin": 0.1, "seed": 1}, "b": {"margin": 0.2}}, "margin.*seed"),
        ({"a": {"method": "sac-lagrangian"}, "b": {"method": "egpo"}}, "method"),
        ({"a": {"margin": 0.1}, "b": {}}, "margin"),
    ],
)
def test_anything_else_is_refused(variants, named):
    experiment = dataclasses.replace(read("sagui-rescue"), variants=variants)
    with pytest.raises(HandrailError, match=f"differ in .*{named}.*one setting, with a number"):
        swept(experiment)


@pytest.fixture
def finished(tmp_path):
    """Two seeds of every share; one run of the last has not finished."""
    planned = plan(read("sagui-rescue"), "reduced", 2, tmp_path)[:-1]
    for place, (row, task) in enumerate(planned):
        task.folder.mkdir(parents=True)
        (task.folder / "run.json").write_text("{}")
        GrowingTable(task.folder / EPISODES, EPISODE_COLUMNS).add([])
        GrowingTable(task.folder / PROGRESS).add([{"step": 30_000}])
        values = dict.fromkeys(STUDENT_COLUMNS, 1.0)
        GrowingTable(task.folder / EVALUATIONS, STUDENT_COLUMNS).add([values | {"step": 30_000}])
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


def test_the_report_of_an_experiment(finished, tmp_path):
    exits, total, earned, cost = panels(finished, "navigation-static")
    expected = [[0.0, 1.0], [2.5, 3.5], [5.0, 6.0], [7.5]]
    assert [own.tolist() for own in exits.lines["static"]] == expected
    expected = [[0.0, 4.0], [1.0, 5.0], [2.0, 6.0], [3.0]]
    for panel in (total, earned, cost):
        assert [own.tolist() for own in panel.lines["static"]] == expected
    page, tables = write_report(finished, tmp_path / "report")
    assert cost.limit == 5.0 and [table.rows[0][0] for table in tables] == ["0"] * 3
    assert (tmp_path / "report" / "figure-2.png").stat().st_size > 10_000  # over steps
    assert "over guide.rescue.share: interquartile means" in page.read_text()
