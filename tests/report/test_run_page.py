"""Pages of run folders show what is there, name what is missing, and never harm a run."""

import json
import math

import numpy as np
import pytest

from handrail.api.reporting import leaves_report
from handrail.cli.report import report
from handrail.core.errors import HandrailError
from handrail.experiments.schema import Portion
from handrail.report import run_page, sections, why
from handrail.report.grouping import by_environment, by_method
from handrail.report.html import Charts, Table
from handrail.report.runs import read_what_is_there
from tests.report.recorded import write_run

EVIL = "</script><script>alert(1)</script>\x1b[31m\u202e"


def groups_of(*folders):
    return by_method([read_what_is_there(folder)[0] for folder in folders])


def titles(blocks):
    return [panel.title for block in blocks if isinstance(block, Charts) for panel in block.panels]


def test_seeds_of_a_method_are_one_curve_and_settings_tell_groups_apart(tmp_path):
    runs = [
        write_run(tmp_path / "a0"),
        write_run(tmp_path / "a1", seed=1),
        write_run(tmp_path / "b", settings={"lr": 0.1}),
        write_run(tmp_path / "c", settings={"lr": 0.2}),
        write_run(tmp_path / "d", method="control-switch"),
    ]
    groups = groups_of(*runs)
    assert {label: len(own) for label, own in groups.items()} == {
        "budget-switch": 2,
        "budget-switch, lr 0.1": 1,
        "budget-switch, lr 0.2": 1,
        "control-switch": 1,
    }


def test_a_guide_stands_apart_from_students_of_the_same_environment(tmp_path):
    folders = [
        write_run(tmp_path / "student"),
        write_run(tmp_path / "guide", settings={"purpose": "own guide"}),
    ]
    runs = [read_what_is_there(folder)[0] for folder in folders]
    assert list(by_environment(runs)) == ["Pendulum-v1", "Pendulum-v1, guide"]


def test_rates_and_limits_are_those_of_a_thousand_steps(tmp_path):
    groups = groups_of(write_run(tmp_path / "a", limit=5.0))
    scope = sections.scope_of("t", groups, 5.0)
    assert scope.limit_steps == 100 and scope.rate == 50.0
    [costs] = sections.costs(groups, scope)
    rate, so_far, above = costs.panels
    run = groups["budget-switch"][0]
    assert rate.limit == 50.0
    assert so_far.curves["budget-switch"][1].value[-1] == run.progress["cost"][-1]
    last = run.episodes["step"] > 8_000
    assert rate.curves["budget-switch"][1].value[-1] == pytest.approx(
        run.episodes["cost"][last].sum() / 2
    )
    assert above.curves["budget-switch"][1].value[-1] == (run.episodes["cost"] > 5).sum()


@pytest.mark.parametrize(
    ("environment", "settings", "steps"),
    [
        ("mine:make", {"run": {"episode_length": 50}}, 50),  # of `handrail train`
        ("mine:make", {"episode_length": 200}, 200),
        ("mine:make", {"run": {"episode_length": 0}}, None),  # the environment's, not recorded
        ("mine:make", {}, None),
        ("velocity-hopper", {}, 1_000),  # whose episodes end early
        ("navigation-static", {}, 1_000),
    ],
)
def test_a_limit_has_a_rate_only_where_its_steps_are_known(tmp_path, environment, settings, steps):
    folder = write_run(tmp_path / "a", environment=environment, limit=5.0)
    recorded = json.loads((folder / "run.json").read_text())
    del recorded["episode_length"]
    recorded["run"] |= settings.get("run", {})
    recorded |= {name: value for name, value in settings.items() if name != "run"}
    (folder / "run.json").write_text(json.dumps(recorded))
    groups = groups_of(folder)
    scope = sections.scope_of("t", groups, 5.0)
    assert scope.limit_steps == steps
    assert scope.rate == (None if steps is None else 5.0 * 1_000 / steps)
    [costs] = sections.costs(groups, scope)
    assert costs.panels[0].limit == scope.rate


def test_a_finished_run_says_the_steps_of_its_limit(tmp_path):
    """Also where its environment has a length of its own, which no setting says."""
    folder = write_run(tmp_path / "a", environment="mine:make", limit=5.0)
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"limit_steps": 20}))
    assert sections.scope_of("t", groups_of(folder), 5.0).rate == 250.0


def test_a_guide_of_the_projects_own_has_the_limit_of_a_thousand_steps(tmp_path):
    folder = write_run(tmp_path / "a", limit=5.0)
    guide = {"purpose": "guide", "environment": "velocity-hopper", "limit": 5.0}
    (folder / "run.json").write_text(json.dumps(guide))
    assert sections.scope_of("t", groups_of(folder), 5.0).rate == 5.0


def test_a_second_condition_of_a_class_is_said_in_words(tmp_path):
    folder = write_run(tmp_path / "a")
    table = folder / "progress.csv"
    text = table.read_text().replace("evidence/predicted_cost", "evidence/predicate_2")
    table.write_text(text)
    made = titles(why.conditions(groups_of(folder), sections.scope_of("t", groups_of(folder))))
    assert "Your predicate holds 2" in made


def test_limits_of_unequal_episodes_have_no_rate(tmp_path):
    folders = [
        write_run(tmp_path / f"{length}", settings={"episode_length": length})
        for length in (50, 100)
    ]
    assert sections.scope_of("t", groups_of(*folders), 5.0).rate is None


def test_the_front_holds_what_nothing_surpasses_in_both():
    points = {"a": (1.0, 1.0), "b": (2.0, 3.0), "c": (2.5, 2.0), "d": (0.5, 0.5), "e": (0.5, 0.5)}
    assert sections.unsurpassed(points) == ["d", "e", "a", "b"]


def test_what_triggers_saw_stands_beside_its_threshold(tmp_path):
    groups = groups_of(write_run(tmp_path / "a"))
    charts, table = why.conditions(groups, sections.scope_of("t", groups, 5.0))
    predicted = next(panel for panel in charts.panels if panel.title.startswith("Predicted"))
    assert predicted.limit == 1.5 and predicted.limit_label == "threshold"
    rows = {row[1]: row[2:] for row in table.rows}
    assert rows["predicted cost of the proposed action"] == [
        pytest.approx(2.25),
        "above",
        1.5,
        None,
    ]
    assert rows["the episode's budget is spent"][-1] == pytest.approx(0.09)


def test_calibration_compares_predicted_and_observed_on_one_scale(tmp_path):
    groups = groups_of(write_run(tmp_path / "a"))
    scope = sections.scope_of("t", groups, 5.0)
    [charts] = why.calibration(groups, scope)
    curves = charts.panels[0].curves
    [costs] = sections.costs(groups, scope)
    rate = costs.panels[0].curves["budget-switch"][1].value
    np.testing.assert_allclose(curves["observed"][1].value, rate / 1_000 / 0.01)
    assert curves["predicted"][1].value[0] == pytest.approx(4.5)


def test_many_tests_are_averaged_and_none_is_dropped():
    steps, values = np.arange(1.0, 1001), np.arange(1000.0)[None]
    ends, means = sections._thinned(steps, values)
    assert len(ends) == 200 and ends[0] == 5 and ends[-1] == 1000
    assert means.mean() == pytest.approx(values.mean()) and means[0, 0] == 2.0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("run.json", "{", "run.json"),
        ("summary.json", "[]", "expected a JSON object"),
        ("episodes.csv", "step,reward\n1,2\n", "columns are step, reward"),
        ("progress.csv", "step,cost\n1,x\n", "cost is 'x'"),
        ("evaluations.csv", "step,return\n2,1\n1,1\n", "steps must not decrease"),
        ("environment.json", "nonsense", ""),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_shown(tmp_path, name, text, told):
    folder = write_run(tmp_path / "run")
    (folder / name).write_text(text)
    path, missing = run_page.write_run_page([folder])
    assert told in " ".join(missing)
    page = path.read_text()
    assert "Cost so far" in page and (not told or "Not everything is there" in page)


def test_a_run_that_goes_on_is_shown_until_its_last_whole_line(tmp_path):
    folder = write_run(tmp_path / "run", finished=False)
    with open(folder / "episodes.csv", "a") as file:
        file.write("10100,1.")
    path, missing = run_page.write_run_page([folder])
    assert missing == [f"{folder} has not finished: it has no summary.json"]
    assert "Return, behaviour" in path.read_text()


def test_curves_of_nan_are_left_out(tmp_path):
    folder = write_run(tmp_path / "run")
    lines = (folder / "evaluations.csv").read_text().splitlines()
    lines[1:] = [",".join([line.split(",")[0], *[""] * 7]) for line in lines[1:]]
    (folder / "evaluations.csv").write_text("\n".join(lines) + "\n")
    groups = groups_of(folder)
    found = titles(sections.learning(groups, sections.scope_of("t", groups)))
    assert found == ["Return, behaviour", "Cost, behaviour"]
    assert not sections.plane(groups, sections.scope_of("t", groups))
    run_page.write_run_page([folder])


def test_the_commits_that_computed_a_run_stand_on_its_page_if_they_are_known(tmp_path):
    folder = write_run(tmp_path / "run")
    run_page.write_run_page([folder])
    assert "commit of handrail" not in (folder / "report.html").read_text()
    noted = folder / "environment.json"
    [here] = json.loads(noted.read_text())["environments"]
    parts = [{**here, "commit": one} for one in ("0123abcd", 7, f"4567ef-{EVIL}")]
    noted.write_text(json.dumps({"environments": parts}))
    run_page.write_run_page([folder])
    page = (folder / "report.html").read_text()
    assert page.count("commit of handrail") == 2  # of the page, and of this method's runs
    assert "0123abcd, 4567ef-" in page and "alert(1)</script>" not in page and "\x1b" not in page


def test_names_from_files_are_text(tmp_path, capsys):
    folder = write_run(tmp_path / "run", method=EVIL, environment=EVIL, settings={EVIL: EVIL})
    path, _, _ = report([str(folder)])
    page = path.read_text()
    assert "alert(1)</script>" not in page and "\x1b" not in page and "\u202e" not in page
    assert "\\x1b[31m" in page  # shown as it is written


def test_a_training_that_has_finished_stays_finished(tmp_path, monkeypatch, caplog, capsys):
    monkeypatch.setenv("HANDRAIL_REPORT", "on")

    @leaves_report
    def train(environment, folder, *, steps=1):
        write_run(folder)
        return "done"

    assert train("e", folder=tmp_path / "a", steps=2) == "done"
    assert capsys.readouterr().err == f"report: {tmp_path / 'a' / 'report.html'}\n"

    def broken(*_, **__):
        raise MemoryError("no room")

    monkeypatch.setattr(run_page, "page", broken)
    assert train("e", tmp_path / "b") == "done"
    assert "no report was written" in caplog.text and "no room" in caplog.text
    monkeypatch.setenv("HANDRAIL_REPORT", "off")
    assert train("e", tmp_path / "c") == "done" and not (tmp_path / "c" / "report.html").exists()


def test_figures_are_written_as_files_for_publications(tmp_path):
    folder = write_run(tmp_path / "run")
    path, _, _ = report([str(folder)], out=tmp_path / "out", vectors=True)
    kinds = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    for kind, begin in kinds.items():
        assert (path.parent / f"figure-1{kind}").read_bytes().startswith(begin)


def test_mistakes_are_named(tmp_path):
    with pytest.raises(HandrailError, match="expected an experiment"):
        report([])
    with pytest.raises(HandrailError, match="--seeds belongs to experiments"):
        report([str(tmp_path)], Portion(seeds=2))
    with pytest.raises(HandrailError, match="absent is not a folder"):
        report([str(tmp_path), "absent"])
    with pytest.raises(HandrailError, match=r"there is no folder .*absent: expected one with runs"):
        report([str(tmp_path / "absent")])
    with pytest.raises(
        HandrailError, match=r"no run in .* expected a folder that `handrail train`"
    ):
        report([str(tmp_path)])
    assert "no run.json" in (tmp_path / "report.html").read_text()
    write_run(tmp_path / "run")
    _, tables, missing = report([str(tmp_path)])
    assert not tables and not any("no run.json" in text for text in missing)


def test_a_run_without_a_limit_or_steps_has_a_page(tmp_path):
    folder = write_run(tmp_path / "run")
    for name in ("episodes.csv", "progress.csv", "evaluations.csv"):
        (folder / name).unlink()
    (folder / "run.json").write_text(json.dumps({"run": {"limit": math.inf}}))
    path, missing = run_page.write_run_page([folder])
    assert any("no finished episode" in text for text in missing)
    assert "What came out" in path.read_text()
    blocks = run_page.page_blocks(*[[read_what_is_there(folder)[0]], []])
    assert not titles(blocks) and any(isinstance(block, Table) for block in blocks)
