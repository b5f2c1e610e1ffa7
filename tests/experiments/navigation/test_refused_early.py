"""What a run would be refused for is refused before hours of acquiring its knowledge."""

import pytest

from handrail.core.artifact import Card
from handrail.core.errors import HandrailError
from handrail.experiments import launch
from handrail.methods.sagui.cards import warnings_of
from handrail.methods.sagui.train_student import check
from handrail.tasks.navigation.family import NAVIGATION
from handrail.tasks.own.family import OWN_ENVIRONMENTS
from handrail.tasks.registry import with_defaults

SETTINGS = {"environment": "navigation-static", "steps": 30_000, "method": "budget-switch"}


def resolved(**settings):
    given = {name.replace("__", "."): value for name, value in settings.items()}
    return NAVIGATION.resolve({**SETTINGS, **given})


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch):
    monkeypatch.setattr(launch, "work", lambda *_: pytest.fail("knowledge was acquired"))


def train(tmp_path, **settings):
    return launch.train(
        resolved(**settings), files={}, knowledge_folder=tmp_path / "know",
        out=settings.pop("out", tmp_path / "run"), report=lambda *_: None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "method", ["sac-lagrangian", "control-switch", "linear-decay", "recovery-rl", "sum-switch"]
)
def test_a_threshold_that_nothing_is_compared_with_is_refused(method):
    with pytest.raises(HandrailError, match=rf"threshold is 7, but under '{method}'"):
        resolved(method=method, threshold=7.0)
    own = {"environment": "m:f", "limit": 5.0, "method": method, "threshold": 7.0}
    with pytest.raises(HandrailError, match=rf"threshold is 7, but under '{method}'"):
        OWN_ENVIRONMENTS.resolve(own)
    assert resolved(method=method).run.method == method  # the default is no threshold of theirs


@pytest.mark.parametrize(
    ("method", "name", "value", "lacks"),
    [
        ("sac-lagrangian", "distillation", "paper", "there is no guide to distil from"),
        ("egpo", "distillation", "paper", "there is no guide to distil from"),
        ("recovery-rl", "density", "exact", "nobody else acts whose actions"),
        ("sac-pre", "weighting", "linear", "nobody else acts whose actions"),
        ("control-switch", "strength", 0.2, "the pull towards the guide has another strength"),
        ("egpo", "source_price", 0.5, "there is no guide beside which steps"),
        ("random-guide", "source_price", 0.5, "there is no guide beside which steps"),
    ],
)
def test_what_a_method_does_not_read_is_refused(method, name, value, lacks):
    with pytest.raises(HandrailError, match=f"{name} is .*{value}.*, but under '{method}' {lacks}"):
        resolved(method=method, **{name: value})


def test_a_price_of_steps_that_are_not_learnt_from_is_refused():
    with pytest.raises(HandrailError, match=r"source_price is 0\.5, but source_data is fal"):
        resolved(method="control-switch", source_price=0.5)
    resolved(method="control-switch", source_price=0.5, source_data=True)
    resolved(method="sac-lagrangian", source_price=0.0, distillation="none")  # asks for nothing


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"takeover__pessimism": 1.0}, "takeover.pessimism is 1, but guide.learning.cost_critics"),
        ({"guide__limit": 100.0}, "guide.limit is 100, above the student's 5"),
        ({"preset": "recommended", "guide__learning__discount": 0.5}, "has discount 0.5, the stu"),
        ({"preset": "recommended", "guide__keep": 0}, "guide.keep is 0: expected the number"),
        ({"risk__limit": 0.1}, "under method 'budget-switch' no risk is learnt"),
        ({"stored__ending_cost": 5.0}, "set stored.takeover_ends to true"),
    ],
)
def test_settings_that_do_not_fit_each_other(tmp_path, settings, said):
    with pytest.raises(HandrailError, match=said):
        train(tmp_path, **settings)


def test_several_critics_may_disagree(tmp_path):
    row = resolved(takeover__pessimism=1.0, guide__learning__cost_critics=3)
    NAVIGATION.suits(row.run, row.knowledge)
    check(row.run, {"guide": tmp_path})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"guide__steps": 5}, "guide.steps is 5: expected a positive multiple of guide.epoch, "),
        ({"guide__epoch": 7, "guide__steps": 7}, r"guide.epoch is 7.*100 \(guide.learning.train_e"),
        ({"guide__limit_fraction": float("nan")}, "guide.limit_fraction is nan: expected a finite"),
        ({"guide__limit_fraction": float("inf")}, "guide.limit_fraction is inf: expected a finite"),
    ],
)
def test_settings_of_a_guide_are_named_as_such(settings, said):
    with pytest.raises(HandrailError, match=said):
        resolved(**settings)


def test_the_folder_of_the_run_is_looked_at_first(tmp_path):
    file, full = tmp_path / "file", tmp_path / "full"
    file.touch()
    full.mkdir()
    (full / "letter.txt").touch()
    for out, said in (
        (file, "cannot write into .*file: "),
        (file / "run", "cannot write into .*run: Not a directory"),
        (full, r"is not empty \(letter.txt\) and holds no handrail run"),
    ):
        with pytest.raises(HandrailError, match=said):
            launch.train(
                resolved(), files={}, knowledge_folder=tmp_path, out=out, report=lambda *_: None
            )


def guide_card(*, shielded_cost, limit_steps):
    training = {"evaluation": {"shielded_cost": shielded_cost}}
    return Card("guide", {"limit": 1.0, "limit_steps": limit_steps}, {}, training)


@pytest.mark.parametrize("steps", [0, -5, "many"])
def test_a_card_with_an_episode_of_no_steps_is_left_to_who_opens_it(steps):
    assert warnings_of(guide_card(shielded_cost=153.0, limit_steps=steps), 5.0, 1_000) == []
    assert warnings_of(guide_card(shielded_cost=153.0, limit_steps=1_000), 5.0, 1_000)


@pytest.mark.parametrize("environment", [5, ["navigation-static"], None])
def test_an_environment_has_a_name(environment):
    with pytest.raises(HandrailError, match="expected a name, such as navigation-static"):
        with_defaults({"environment": environment}, {})


@pytest.mark.parametrize(("episodes", "seed", "said"), [(0, 0, "episodes"), (1, -1, "seed is -1")])
def test_an_evaluation_has_episodes_and_a_seed(tmp_path, episodes, seed, said):
    (tmp_path / "summary.json").touch()
    with pytest.raises(HandrailError, match=said):
        launch.check_evaluation(tmp_path, episodes, seed)
