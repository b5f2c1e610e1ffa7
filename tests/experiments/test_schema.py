"""Experiments are data: every file can be planned, and every mistake in one is named."""

import dataclasses

import pytest

from handrail.core.arguments import override
from handrail.core.errors import HandrailError, UnknownName
from handrail.experiments.plan import plan
from handrail.experiments.schema import (
    REPORTS,
    budget_of,
    digest,
    flat,
    names,
    only,
    read,
    rows,
)
from handrail.methods.contrastive.settings import QLearning
from handrail.report.experiment import KINDS
from handrail.tasks.lava.resolve import resolve
from handrail.tasks.lava.settings import LavaRun

HEAD = "title = 'x'\n[budgets.quick]\nseeds = [1]\n[variants.b]\n"
"""Of a file without mistakes; further tables follow."""
BUDGETS = [(name, budget) for name in names() for budget in read(name).budgets]


@pytest.mark.parametrize(("name", "budget"), BUDGETS)
def test_every_experiment_can_be_planned(tmp_path, name, budget):
    experiment = read(name)
    planned = plan(experiment, budget, None, tmp_path)
    chosen = experiment.budgets[budget]
    expected = len(chosen.seeds) * len(experiment.environments) * len(experiment.variants)
    assert len(planned) == expected > 0
    for row, task in planned:
        run = task.settings.run
        task.family.check(run, {need.kind: need.file for need in task.needs})
        assert (run.environment, run.seed) == (row.environment, row.seed)
        assert task.folder.is_relative_to(tmp_path)
        assert not task.done
    folders = [task.folder for _, task in planned]
    assert len(set(folders)) == len({digest(row.settings) for row, _ in planned})


@pytest.mark.parametrize("name", names())
def test_published_values_belong_to_variants_and_environments(name):
    experiment = read(name)
    assert experiment.title and experiment.question
    assert not experiment.source or experiment.source.startswith("arXiv:")  # reports say "after"
    for by_label in experiment.published.values():
        others = by_label.keys() - experiment.variants.keys()
        assert all(label.endswith("(not run here)") for label in others)
        for by_environment in by_label.values():
            assert by_environment.keys() <= set(experiment.environments)


def test_what_experiments_have_in_common_is_computed_once(tmp_path):
    """The full method of `lava-returns` is that of `lava-ablation`; DQN needs no knowledge."""
    returns, ablation = (
        {(row.variant, row.environment, row.seed): task
         for row, task in plan(read(name), "paper", 2, tmp_path)}
        for name in ("lava-returns", "lava-ablation")
    )  # fmt: skip
    for seed in (123, 456):
        place = ("LavaCrossingS9N2", seed)
        assert returns["full", *place].folder == ablation["full", *place].folder
        assert returns["dqn", *place].folder == ablation["neither", *place].folder
        assert returns["full", *place].folder != returns["priors-0.95", *place].folder
    first, second = (returns["full", "LavaCrossingS9N1", seed] for seed in (123, 456))
    assert first.needs == second.needs
    assert all(a is b for a, b in zip(first.needs, second.needs, strict=True))
    assert returns["dqn", "LavaCrossingS9N1", 123].needs == ()


def test_budgets_do_not_share_runs(tmp_path):
    quick, paper = (
        {task.folder for _, task in plan(read("lava-returns"), budget, 1, tmp_path)}
        for budget in ("quick", "paper")
    )
    assert not quick & paper


def test_seeds_are_cut_and_continued():
    experiment = read("lava-returns")
    assert budget_of(experiment, "paper", 2).seeds == (123, 456)
    more = budget_of(experiment, "paper", 8).seeds
    assert len(set(more)) == 8
    assert more[:5] == experiment.budgets["paper"].seeds
    assert [row.seed for row in rows(experiment, "quick", 1)] == [123] * 3 * len(
        experiment.variants
    )
    with pytest.raises(HandrailError, match="seeds is 0: expected at least 1"):
        budget_of(experiment, "paper", 0)


def test_variants_can_be_left_out():
    whole = read("sagui-static")
    some = only(whole, ["egpo", "scratch"])
    assert list(some.variants) == ["scratch", "egpo"]  # in the experiment's order
    assert {row.variant for row in rows(some, "quick")} == {"scratch", "egpo"}
    assert [row for row in rows(whole, "quick") if row.variant in some.variants] == list(
        rows(some, "quick")
    )
    assert only(whole, []) == whole


def test_environments_can_be_left_out():
    whole = read("velocity")
    some = only(whole, environments=["velocity-hopper", "velocity-halfcheetah"])
    assert some.environments == ("velocity-halfcheetah", "velocity-hopper")  # in its own order
    assert list(rows(some, "quick")) == [
        row for row in rows(whole, "quick") if row.environment in some.environments
    ]
    assert only(whole, environments=whole.environments) == whole


@pytest.mark.parametrize(("name", "plain"), [("sagui-rescue", "navigation"), ("lava-dmax", "bars")])
def test_a_report_over_the_values_of_a_setting_needs_all_of_them(name, plain):
    whole = read(name)
    assert only(whole, list(whole.variants)).report == whole.report != plain
    assert only(whole, list(whole.variants)[:1]).report == plain


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: read("lava-return"), "unknown experiment 'lava-return'.*'lava-returns'"),
        (lambda: read("none.toml"), "none.toml does not exist"),
        (lambda: only(read("sagui-static"), ["egp"]), "variant of sagui-static 'egp'.*'egpo'"),
        (
            lambda: only(read("velocity"), environments=["velocity-hoper"]),
            "environment of velocity 'velocity-hoper'.*'velocity-hopper'",
        ),
        (lambda: budget_of(read("demo"), "qick"), "unknown budget 'qick'.*'quick'"),
        (lambda: override(LavaRun(), {"step": 1}), "setting of LavaRun 'step'.*'steps'"),
        (lambda: override(LavaRun(), {"learning.discont": 1.0}), "setting of QLearning.*discount"),
        (lambda: resolve({"method": "ful"}), "unknown method 'ful'.*'full'"),
        (lambda: resolve({"method": "full", "encoder.loss": "vea"}), "'vea'.*'vae'"),
    ],
)  # fmt: skip
def test_unknown_names_come_with_a_close_match(action, message):
    with pytest.raises(HandrailError, match=message) as caught:
        action()
    assert isinstance(caught.value, UnknownName) or "does not exist" in message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": "many"}, "'steps' is 'many': expected int"),
        ({"steps": 1.5}, "expected int"),
        ({"steps": True}, "expected int"),
        ({"learning.discount": "0.9"}, "expected float"),
        ({"learning.prioritized": 1}, "expected bool"),
        ({"learning.hidden": 64}, "'learning.hidden' is 64: expected a list"),
        ({"learning.hidden": "64"}, "expected a list"),
        ({"learning.hidden": [64, "x"]}, "is 'x': expected int"),
        ({"learning": 3}, "expected QLearning"),
        ({"steps.more": 3}, "'steps' has no parts"),
        ({"lava_color": 3}, r"is 3: expected str \| None"),
        ({"observation": 3}, "unknown value of 'observation' '3'"),
    ],
)
def test_a_value_of_another_kind_is_refused(values, message):
    with pytest.raises(HandrailError, match=message):
        override(LavaRun(), values)


def test_values_that_fit_are_taken():
    run = override(
        LavaRun(),
        {"steps": 10, "safety.prior_prob": 1, "learning.hidden": [8], "lava_color": "blue",
         "learning": QLearning(batch=4), "learning.operator": "max"},
    )  # fmt: skip
    assert (run.steps, run.lava_color) == (10, "blue")
    assert run.learning == QLearning(batch=4, operator="max")
    again = override(LavaRun(), {"learning.discount": 0, "learning.hidden": [8]}).learning
    assert (again.discount, type(again.discount), again.hidden) == (0.0, float, (8,))
    assert override(run, {"lava_color": None}).lava_color is None
    both = {"learning.hidden": [8], "learning": {"batch": 4}, "learning.operator": "max"}
    assert override(LavaRun(), both).learning == QLearning(hidden=(8,), batch=4, operator="max")


def test_a_preset_stands_below_what_is_said_explicitly():
    row = resolve({"method": "full-adaptive", "preset": "recommended", "safety.prior_prob": 0.5})
    assert row.run.learning.discount == 0.95
    assert row.run.safety.prior_prob == 0.5
    for name, value in (("preset", "best"), ("knowledge", "none")):
        with pytest.raises(HandrailError, match=f"{name} is '{value}': expected"):
            resolve({name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "not valid TOML"),
        pytest.param("x = " + "[" * 3000, "not valid TOML", id="nested"),
        (b"\xff\xfe", "not valid TOML: 'utf-8' codec"),
        ("title = 5\nvariants = {}\nbudgets = {}", "title is 5: expected text"),
        ("title = ''\nruns = 5\nvariants = {}\nbudgets = {}", "runs is 5: expected true or f"),
        (
            "title = ''\nenvironments = 'Empty-5x5'\nvariants = {}\nbudgets = {}",
            "environments is 'Empty-5x5': expected a list",
        ),
        ("title = 'x'\nvariants = {}\nbudget = {}", r"unknown entries \['budget'\].*\['budgets'\]"),
        ("title = 'x'\nvariants = {}\n[budgets]\nquick = {}", "budget 'quick' needs either seeds"),
        ("title = 'x'\nvariants = {}\n[budgets]\nquick = 5", "budget 'quick' is 5: expected a tab"),
        ("title = 'x'\nvariants = {}\n[budgets.quick]\nseeds = ['a']", "seeds is \\['a'\\]: exp"),
        (
            "title = 'x'\nvariants = {}\n[budgets.quick]\nseeds = [1]\ntest_seeds = 2",
            "needs either",
        ),
        (
            "title = 'x'\nvariants = {}\n[budgets.quick]\ntest_seeds = 0",
            "test_seeds is 0: exp",
        ),
        ("title = 'x'\nvariants = 3\n[budgets.quick]\nseeds = [1]", "variants is 3: expected a ta"),
        ("title = 'x'\n[variants]\na = 3\n[budgets.quick]\nseeds = [1]", "variant 'a' is 3"),
        (f"{HEAD}[base]\nenvironment = 'x'", "base sets environment to 'x': .*list environments"),
        (f"{HEAD}[base]\nrun.seed = 3", "base sets run.seed to 3: .*seeds of a budget"),
        (
            f"{HEAD}[variants.a]\nmethod = 'dqn'\nenvironment = 'x'",
            "variant 'a' sets environment to 'x'",
        ),
        (f"{HEAD}[variants.a]\nseed = 3", "variant 'a' sets seed to 3: .*take it out"),
        (f"{HEAD}[budgets.long]\nseeds = [1]\nseed = 3", "budget 'long' sets seed to 3"),
        (
            f"{HEAD}[budgets.long]\nseeds = [1, 2, 1]",
            "budget 'long': seeds lists 1 2 times: expected each once",
        ),
        (f"environments = ['x', 'x']\n{HEAD}", "environments lists 'x' 2 times"),
        (f"{HEAD}[published]\nreturn = 5", "published.return is 5: expected a table of labels"),
        (f"{HEAD}[published.return]\na = 5", "published.return.a is 5: expected a table of env"),
        (f"{HEAD}[published.return.a]\nx = 'y'", "published.return.a.x is 'y': expected a number"),
        (f"report = 'nonsense'\n{HEAD}", "report is 'nonsense': expected one of appearance, bars"),
    ],
)
def test_a_broken_file_is_named_with_its_mistake(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HandrailError, match=rf"mine\.toml: .*{message}"):
        read(str(path))


def test_every_kind_of_report_is_known_when_a_file_is_read():
    assert REPORTS == KINDS.keys()


def test_a_file_of_ones_own_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        "title = 'x'\nenvironments = ['Empty-5x5']\n[base]\nlearning.batch = 4\n"
        "[variants]\na = {method = 'dqn'}\n[budgets.quick]\nseeds = [1]\nsteps = 100\n"
    )
    ((row, task),) = plan(read(str(path)), "quick", None, tmp_path)
    assert (row.variant, row.seed) == ("a", 1)
    assert task.settings.run == LavaRun(
        "Empty-5x5", "dqn", seed=1, steps=100, learning=QLearning(batch=4)
    )


def test_nested_tables_are_dotted_names():
    assert flat({"a": {"b": {"c": 1}}, "d": 2}) == {"a.b.c": 1, "d": 2}


def test_a_digest_depends_on_every_setting():
    first = dataclasses.asdict(LavaRun())
    assert digest(first) == digest(dataclasses.asdict(LavaRun()))
    for field in dataclasses.fields(LavaRun):
        assert digest({**first, field.name: "other"}) != digest(first)
