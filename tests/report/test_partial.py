"""A report of an experiment that was collected before its end."""

import json
from dataclasses import replace

import pytest

from handrail.cli import reproduce
from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS, GrowingTable
from handrail.equations.interval import Interval
from handrail.experiments.plan import plan
from handrail.experiments.schema import Portion, digest, read
from handrail.report.experiment import write_report
from handrail.report.finished import Finished
from handrail.report.html import comparison

RAN = {("LavaCrossingS9N1", "dqn"), ("LavaCrossingS9N1", "full"), ("LavaCrossingS9N2", "dqn")}


@pytest.fixture
def finished(tmp_path):
    """Two variants in one environment, one in another, none in the third."""
    experiment = read("lava-pixels")
    planned = plan(experiment, "paper", 1, tmp_path)
    rows = tuple((r, task) for r, task in planned if (r.environment, r.variant) in RAN)
    for _, task in rows:
        task.folder.mkdir(parents=True)
        (task.folder / "run.json").write_text("{}")
        summary = {"final_return": 0.5, "violations": 7.0, "steps": 200_000}
        (task.folder / "summary.json").write_text(json.dumps(summary))
        GrowingTable(task.folder / "progress.csv").add([{"step": 200_000, "loss": 0.5}])
        GrowingTable(task.folder / "episodes.csv", EPISODE_COLUMNS).add(
            [dict(zip(EPISODE_COLUMNS, (100_000, 0.5, 7.0, 10, 2), strict=True))]
        )
    return Finished(experiment, "paper", (123,), rows, "command", 0.0, "machine")


def test_what_did_not_run_is_a_dash_and_no_error(finished, tmp_path):
    noted = finished.rows[0][1].folder / "environment.json"
    noted.write_text(json.dumps({"environments": [{"commit": "0123<b>"}]}))
    path, tables = write_report(finished, tmp_path / "report")
    assert "0123&lt;b&gt;" in path.read_text()  # the commit of the run that knows its own
    for table in tables:
        cells = {row[0]: row[1:] for row in table.rows}
        ours = dict(zip(table.columns[1:], cells["full"], strict=False))
        assert str(float(ours["LavaCrossingS9N1"].value)) in ("0.5", "7.0")
        assert ours["LavaCrossingS9N2"] is None and ours["LavaCrossingS9N3"] is None
    assert (tmp_path / "report" / "figure-1.png").stat().st_size > 10_000


def test_variants_keep_the_order_of_the_experiment(finished):
    assert finished.ran("LavaCrossingS9N1") == ["full", "dqn"]
    assert finished.ran("LavaCrossingS9N2") == ["dqn"]
    assert finished.ran("LavaCrossingS9N3") == []


def test_a_report_of_some_variants_has_a_folder_and_a_command_of_its_own(finished, monkeypatch):
    """It does not take the place of the whole one."""
    written = []

    def write(finished, folder, *, vectors):
        written.append((finished.command, folder.name))
        return folder, []

    def planned(experiment, *_):
        return [(row, task) for row, task in finished.rows if row.variant in experiment.variants]

    monkeypatch.setattr(reproduce, "write_report", write)
    monkeypatch.setattr(reproduce, "plan", planned)
    out = finished.rows[0][1].folder.parents[1]
    reproduce.report_only("lava-pixels", Portion("paper", seeds=1), out=out)
    reproduce.report_only("lava-pixels", Portion("paper", variants=("dqn",)), out=out)
    some = Portion("paper", environments=("LavaCrossingS9N2",))
    reproduce.report_only("lava-pixels", some, out=out)
    assert written == [
        ("handrail reproduce lava-pixels --budget paper --seeds 1", "lava-pixels-paper-1-seeds"),
        (
            "handrail reproduce lava-pixels --budget paper --variants dqn",
            f"lava-pixels-paper-{digest(['dqn'])}",
        ),
        (
            "handrail reproduce lava-pixels --budget paper --environments LavaCrossingS9N2",
            f"lava-pixels-paper-{digest([*finished.experiment.variants, 'LavaCrossingS9N2'])}",
        ),
    ]


def test_what_is_missing_is_asked_for_with_its_variants(tmp_path):
    with pytest.raises(HandrailError, match=r"run `handrail .* --variants 'scratch, ours'`"):
        reproduce.report_only("sagui-static", Portion(variants=("scratch, ours",)), out=tmp_path)


def test_published_values_say_after_how_many_steps_where_ours_are_shorter(finished):
    assert finished.lengths == ("", "")
    short = []
    for row, task in finished.rows:
        run = replace(task.settings.run, steps=9)
        short.append((row, replace(task, settings=replace(task.settings, run=run))))
    ours, theirs = replace(finished, rows=tuple(short)).lengths
    assert (ours, theirs) == (", after 9 steps", ", after 200,000 steps")
    table = comparison(
        {"S9N1": {"dqn": Interval(1.0, 1.0, 1.0)}}, {"S9N1": {"dqn": 2.0}}, lengths=(ours, theirs)
    )
    assert table.columns == ["method", "S9N1, after 9 steps", "published, after 200,000 steps"]


def test_summaries_of_an_older_version_leave_a_dash(finished, tmp_path):
    _, task = finished.rows[0]
    (task.folder / "summary.json").write_text(json.dumps({"violations": 7.0, "steps": 200_000}))
    _, (returns, violations) = write_report(finished, tmp_path / "report")
    assert returns.rows[0][1] is None or returns.rows[1][1] is None
    assert {float(row[1].value) for row in violations.rows} == {7.0}
