"""Guides and students end to end: what they leave behind, resuming, and who acted when."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from handrail.core.artifact import load
from handrail.core.records import EVALUATIONS, read_table
from handrail.experiments.launch import work
from handrail.experiments.plan import Task, plan
from handrail.experiments.schema import only, read
from handrail.methods.sagui import epochs, train_guide
from handrail.methods.sagui.epochs import chunk_steps
from handrail.methods.sagui.evaluations import record
from handrail.methods.sagui.guide_file import load_guide
from handrail.methods.sagui.metrics import Curves
from handrail.methods.sagui.shield import broken_limits
from handrail.report.experiment import write_report
from handrail.report.finished import Finished
from handrail.report.navigation_figures import _floor
from handrail.train import run as running
from tests.experiments.navigation.toy import (
    COSTLY,
    LENGTH,
    acquire_forebear,
    acquire_guide,
    build,
    run_student,
    small,
    toy_problem,
    use_toy,
    write_guide,
)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    use_toy(monkeypatch)


class Stopped(Exception):
    """Stands for a process that is killed."""


def acted(row, knowledge) -> tuple[np.ndarray, np.ndarray]:
    """(guide acted, cost) of every step of a run, a row an episode."""
    loop = build(row.run, knowledge)
    state = loop.init(key=jax.random.key(10 * row.run.seed))
    # nobody learns here: who acts does not depend on it, and compiling it takes long
    _, records, _ = loop.blocks(state, row.run.steps // loop.agent.train_every, learn=False)
    assert np.asarray(records.ended).reshape(-1, LENGTH)[:, -1].all()
    counts = (records.episode.interventions, records.episode.cost)
    counts = (np.asarray(x, dtype=float).reshape(-1, LENGTH) for x in counts)
    guide, cost = (np.diff(x, axis=1, prepend=0.0) for x in counts)
    return guide.astype(bool), cost


@pytest.mark.parametrize(
    ("method", "cost", "expected"),
    [
        ("control-switch", 0.0, range(COSTLY[0] + 1, LENGTH)),
        ("random-guide", 0.0, range(COSTLY[0] + 1, LENGTH)),
        ("budget-switch", 0.0, range(COSTLY[0] + 1, LENGTH)),  # limit 1: the first cost spends it
        ("budget-switch", 9.0, range(LENGTH)),  # it foresees far too much everywhere
        ("stusam", 0.0, ()),
        ("guisam", 0.0, range(LENGTH)),
    ],
)
def test_who_acts_when(tmp_path, method, cost, expected):
    path = write_guide(tmp_path / "guide.safetensors", cost=cost)
    guide, costs = acted(small(method), dict(guide=path))
    assert (costs.astype(bool) == np.isin(np.arange(LENGTH), COSTLY)).all()
    assert (guide == np.isin(np.arange(LENGTH), list(expected))).all()


def test_a_larger_budget_is_spent_later(tmp_path):
    path = write_guide(tmp_path / "guide.safetensors")
    guide, _ = acted(small("budget-switch", limit=2.0), dict(guide=path))
    assert (guide == (np.arange(LENGTH) > COSTLY[1])).all()


def test_linear_decay_hands_over_to_the_student(tmp_path):
    path = write_guide(tmp_path / "guide.safetensors")
    guide, _ = acted(small("linear-decay"), dict(guide=path))
    assert guide[:5].mean() > 0.7 and guide[-5:].mean() < 0.3


@pytest.mark.parametrize("method", ["control-switch", "budget-switch"])
def test_a_student_leaves_its_epochs_and_resumes_exactly(tmp_path, monkeypatch, method):
    path = write_guide(tmp_path / "guide.safetensors")
    row, knowledge = small(method), dict(guide=path)
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)  # one after every chunk
    whole = run_student(row.run, knowledge, tmp_path / "whole", settings={"n": 1})

    def stop(step, total):
        if step == 200:
            raise Stopped

    with pytest.raises(Stopped):
        # no checkpoint for the last chunk: its rows are written and then lost
        run_student(row.run, knowledge, tmp_path / "cut", settings={"n": 1}, report=stop)
    record(tmp_path / "cut", _header(tmp_path / "cut"), _stray(tmp_path / "cut"))
    again = run_student(row.run, knowledge, tmp_path / "cut", settings={"n": 1})
    for name in ("episodes.csv", "progress.csv", EVALUATIONS):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {k: v for k, v in again.items() if k != "wall_s"} == {
        k: v for k, v in whole.items() if k != "wall_s"
    }
    table = read_table(tmp_path / "whole" / EVALUATIONS)
    assert table["step"].tolist() == [100, 200]
    assert table["behaviour_cost"].tolist() == [2.0, 2.0] == table["target_cost"].tolist()
    assert table["guide_share"].tolist() == pytest.approx([0.6, 0.6])
    assert (whole["epochs"], whole["epochs_above_limit"], whole["total_cost"]) == (2, 2, 40.0)
    assert whole["episodes_above_limit"] == whole["episodes"] == 20  # each costs 2, limit 1
    updates = read_table(tmp_path / "whole" / "progress.csv")["sac/updates"]
    assert updates[-1] == 2.0


def _header(folder):
    return tuple((folder / EVALUATIONS).read_text().splitlines()[0].split(","))


def _stray(folder):
    """A row of an epoch that the interrupted run reached but did not keep."""
    return dict.fromkeys(_header(folder), 123.0) | {"step": 200}


def test_a_guide_is_kept_by_evaluation(tmp_path):
    row = small("control-switch")
    path = acquire_guide(row.knowledge["guide"], tmp_path / "guide")
    table = read_table(tmp_path / "guide" / EVALUATIONS)
    assert table["step"].tolist() == [100, 200]
    assert (table["cost"] == 2.0).all() and (table["exit_cost"] == 2.0).all()
    card, _ = load(path, expect="guide")
    # never safe (limit 0.2) and equally costly: the first is kept, not the last
    assert card.training["evaluation"]["step"] == 100
    load_guide(path, toy_problem("toy"), limit=1.0)
    written = path.stat().st_mtime_ns
    assert acquire_guide(row.knowledge["guide"], tmp_path / "guide") == path
    assert path.stat().st_mtime_ns == written


def test_the_best_guard_is_kept_where_that_is_asked_for(tmp_path, monkeypatch):
    """The first moves as far and costs as much; but under its guard random driving costs more."""
    tried = iter([(2.0, 0.0), (1.0, 0.5)])

    def shielded(*_, **__):
        found = dict(zip(("shielded_cost", "shielded_share"), next(tried), strict=True))
        return [found | {"takeover_cost": 2.0, **broken_limits(0, 1)}]

    monkeypatch.setattr(train_guide, "takeover_table", shielded)
    row = small("control-switch", **{"guide.selection": "shield", "guide.limit": 2.0})
    card, _ = load(acquire_guide(row.knowledge["guide"], tmp_path / "guide"), expect="guide")
    found = card.training["evaluation"]
    assert (found["step"], found["shielded_cost"], found["shielded_share"]) == (200, 1.0, 0.5)


def test_an_experiment_ends_in_a_report(tmp_path, monkeypatch):
    """Guide, expert, pre-trained student, their students, and the page with its table."""
    experiment = read("sagui-static")
    planned = plan(experiment, "quick", None, tmp_path)
    chosen = []
    for row, task in planned:
        if row.variant not in ("control-switch", "scratch"):
            continue
        completed = small(task.settings.run.method)
        needs = tuple(
            Task(n.kind, n.folder, completed.knowledge[n.kind], label=n.label) for n in task.needs
        )
        task = Task("run", task.folder, completed, needs, task.label)
        for need in needs:
            work(need)
            assert need.done
        work(task)
        assert task.done
        chosen.append((row, task))
    finished = Finished(
        experiment=_with_others(only(experiment, [row.variant for row, _ in chosen])),
        budget="quick", seeds=(0,), rows=tuple(chosen), command="…", seconds=0.0, machine="…",
    )  # fmt: skip
    page, tables = write_report(finished, tmp_path / "report")
    assert page.exists() and (tmp_path / "report" / "figure-1.png").exists()
    # violations, final values, transfer metrics, published values, guides
    assert [table.rows[0][0] for table in tables] == ["control-switch"] * 5
    assert [len(table.rows) for table in tables] == [2, 2, 1, 3, 1]
    violations, finals, _, beside, guides = tables
    found = dict(zip(violations.columns, violations.rows[0], strict=True))
    named = ("variant", "epochs above limit", "worst epoch cost", "total cost")
    assert [found[name] for name in named] == ["control-switch", 2.0, 2.0, 40.0]
    ends = [f", after {steps} steps" for steps in (f"{finished.steps:,}", "1,500,000")]
    assert beside.columns[1:3] == [f"target return{ends[0]}", f"published{ends[1]}"]
    assert beside.rows[0][1:3] == [finals.rows[0][3], 3.0]
    assert beside.rows[2][:3] == ["another (not run here)", None, 1.5]
    assert guides.rows[0][1:] == [100.0, pytest.approx(guides.rows[0][2]), 2.0, 10.0, 2.0, 5.0]
    # a seed that "scratch" has not finished yet has no transfer metrics, and alone makes no table
    (one, task), *rest = chosen
    more = (dataclasses.replace(one, seed=1), task)
    for rows, shown in (((*chosen, more), 1), ((more, *rest), 0)):
        _, tables = write_report(dataclasses.replace(finished, rows=rows), tmp_path / "partial")
        assert len(tables[2].rows) == shown
    text = page.read_text()
    assert "Published values were read off" in text and "one seed" in text
    header, first, *_ = (tmp_path / "report" / "summary.csv").read_text().splitlines()
    assert header.startswith("experiment,task,method,seed,steps,limit,epochs,epochs_above_limit,")
    row = "sagui-static,navigation-static,control-switch,0,200,1.0,2,2,2.0,2,200.0,40.0"
    assert first.startswith(row)


def test_returns_far_below_the_rest_do_not_squeeze_the_figure():
    def runs(low):
        flat = np.full(3, 2.0)
        return [Curves(np.arange(3), np.array([low, 2.0, 2.0]), flat, flat, flat, flat)]

    assert _floor({"a": runs(-50.0), "b": runs(1.0)}) == (-4.0, -50.0)
    assert _floor({"a": runs(-3.0)})[0] is None


def _with_others(experiment):
    """And what somebody else published of another method."""
    other = {"another (not run here)": {"navigation-static": 1.5}}
    returns = {**experiment.published["target_return"], **other}
    published = {**experiment.published, "target_return": returns}
    return dataclasses.replace(experiment, published=published)


@pytest.mark.parametrize("role", ["expert", "pretrained"])
def test_forebears_fit_their_students(tmp_path, role):
    method = {"expert": "egpo", "pretrained": "sac-pre"}[role]
    row = small(method, **{f"{role}.steps": 100})
    path = acquire_forebear(row.knowledge[role], tmp_path, lambda what, step, total: None)
    loop = build(row.run, dict(**{role: path}))
    assert json.loads((tmp_path / "summary.json").read_text())["kept"]["step"] == 100
    assert loop.total == row.run.steps


def test_chunks_end_where_epochs_end():
    assert chunk_steps(30_000, 100) == 10_000
    assert chunk_steps(100, 20) == 100
    assert chunk_steps(150, 100) == 150  # gcd 50 is no multiple of the block


def test_chunk_boundaries():
    def ends(total, starts, chunk=None):
        own = {"learning.train_every": 100, "learning.learning_starts": starts}
        loop = build(small("sac-lagrangian", steps=total, **own).run, dict())
        blocks, learn = zip(*running._chunks(loop, 0, chunk), strict=True)
        return (100 * np.cumsum(blocks)).tolist(), list(learn)

    assert ends(25_000, 500) == ([500, 10_500, 20_500, 25_000], [False, True, True, True])
    assert ends(25_000, 500, 10_000)[0] == [500, 10_000, 20_000, 25_000]
    assert ends(2_000, 500, 1_000) == ([500, 1_000, 2_000], [False, True, True])
    assert ends(2_000, 1_000, 1_000) == ([1_000, 2_000], [False, True])
