"""What older versions called otherwise still works, with one warning."""

import dataclasses
import inspect
import logging

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import handrail
from handrail.core import renamed
from handrail.core.arguments import override
from handrail.core.errors import HandrailError
from handrail.core.records import GrowingTable, read_table
from handrail.learners.base import AbstractAgent
from handrail.learners.q.agent import QAgent
from handrail.methods.contrastive.settings import EncoderSettings
from handrail.methods.sagui.settings import GuideSettings, SacSettings, StudentRun
from handrail.tasks.navigation.family import resolve_settings
from handrail.tasks.registry import with_defaults

CLASSES = (GuideSettings, StudentRun, SacSettings, EncoderSettings)
TASK = {"environment": "navigation-static", "method": "control-switch"}


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(renamed, "_WARNED", set())


def said(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_settings_take_their_old_names_and_values(kind, caplog):
    default, values = kind(), renamed.VALUES
    fields = {field.name for field in dataclasses.fields(kind)}
    for old, new in renamed.SETTINGS[kind.__name__].items():
        assert old not in fields
        given = getattr(default, new)
        oldest = {b: a for a, b in values.get(kind.__name__, {}).get(new, {}).items()}
        assert kind(**{old: oldest.get(given, given)}) == default
        assert any(f"{old!r} is now called {new!r}" in text for text in said(caplog))
        assert override(default, {old: oldest.get(given, given)}) == default
        with pytest.raises(HandrailError, match=f"{new} is also given under its old name {old}"):
            kind(**{old: given, new: given})


def test_it_is_said_once(caplog):
    for _ in range(3):
        SacSettings(block=50)
    assert len(said(caplog)) == 1


def test_old_names_and_new_ones_are_the_same_run(caplog):
    old = resolve_settings(
        TASK
        | {
            "method": "sac", "constraint": "present", "margin": 0.5, "tolerance": 0.1,
            "learning.block": 50,
        }
    )  # fmt: skip
    new = resolve_settings(
        TASK
        | {
            "method": "sac-lagrangian", "multiplier_on": "policy_actions", "limit_fraction": 0.5,
            "cost_slack": 0.1, "learning.train_every": 50,
        }
    )  # fmt: skip
    assert old == new and len(said(caplog)) == 6
    guides = [
        resolve_settings(TASK | own)
        for own in (
            {"preset": "taught", "guide.margin": 0.5, "guide.wander": 0.1, "guide.chosen": "guard"},
            {
                "preset": "recommended", "guide.limit_fraction": 0.5,
                "guide.random_action_share": 0.1, "guide.selection": "shield",
            },
        )
    ]  # fmt: skip
    assert guides[0] == guides[1]


def test_folders_keep_the_names_that_they_had():
    from handrail.core.recorded import original

    found = original(StudentRun(method="sac-lagrangian", multiplier_on="policy_actions"))
    assert (found["method"], found["constraint"], found["learning"]["block"]) == (
        "sac", "present", 100,
    )  # fmt: skip
    assert not found.keys() & set(renamed.SETTINGS["StudentRun"].values())


def test_the_command_takes_an_old_method(caplog):
    found = with_defaults({"environment": "navigation-static", "method": "sac"}, {})
    assert found["method"] == "sac-lagrangian" and len(said(caplog)) == 1


def test_public_names(caplog):
    assert handrail.AdaptiveReach is handrail.AdaptiveRadius
    assert handrail.FixedReach is handrail.FixedRadius
    assert len(said(caplog)) == 2
    near = handrail.NearUnsafe(
        lambda o: o, known=jnp.zeros((1, 2)), reach=handrail.FixedRadius(1.0)
    )
    assert near.radius.distance == 1.0 and near.initial_embeddings.shape == (1, 2)
    assert handrail.SacLagrangian(insistence=0.5).action_repeat_prob == 0.5


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (handrail.train_guide, ("wander", "guard_episodes", "chosen")),
        (handrail.train_student, ("margin", "excursions")),
        (handrail.train_encoder, ("margin",)),
        (handrail.try_guide, ("foreseen",)),
    ],
)
def test_functions_say_what_an_argument_is_called(function, names, caplog):
    parameters = inspect.signature(function).parameters
    for old in names:
        assert old not in parameters
        with pytest.raises(TypeError, match="missing"):
            function(**{old: 1})
    assert len(said(caplog)) == len(names)


def test_tables_of_older_versions_are_read_and_go_on(tmp_path, caplog):
    path = tmp_path / "evaluations.csv"
    path.write_text("step,cost,guarded_cost,guarded_cost.effort,foreseen\n1,0,2,3,4\n")
    names = ("step", "cost", "shielded_cost", "shielded_cost.effort", "takeover_cost")
    assert tuple(read_table(path, names)) == names
    GrowingTable(path, names).add([dict.fromkeys(names, 7)])
    assert read_table(path)["takeover_cost"].tolist() == [4, 7]
    assert len(said(caplog)) == 1


def test_a_table_keeps_the_columns_that_it_was_begun_with(tmp_path):
    path = tmp_path / "progress.csv"
    GrowingTable(path, ("step", "cost")).add([{"step": 1, "cost": 0}])
    GrowingTable(path, ("step", "cost", "evidence/q")).add(
        [{"step": 2, "cost": 1, "evidence/q": 5}]
    )
    assert path.read_text().splitlines() == ["step,cost", "1,0", "2,1"]
    with pytest.raises(HandrailError, match="expected step, other"):
        GrowingTable(path, ("step", "other"))


def test_an_agent_of_an_older_version_still_acts(caplog):
    class Old(AbstractAgent):
        block: int = 5
        learning_starts: int = 5
        metrics: tuple[str, ...] = eqx.field(default=(), static=True)

        def init(self, example, *, key): ...

        def prepare(self, state, *, key): ...

        def propose(self, prepared, observation, clock, *, key): ...

        def greedy(self, prepared, observation, *, key):
            return observation + 1

        def complete(self, prepared, context, decision): ...

        def observe(self, state, transition, clock): ...

        def learn(self, state, prepared, clock, *, key): ...

    agent = Old()
    assert agent.train_every == 5 and len(said(caplog)) == 3
    acting = jax.jit(lambda o: agent.evaluation_action(None, o, key=None))
    assert acting(jnp.ones(())) == 2
    assert {"block", "greedy", "complete"}.isdisjoint(dir(QAgent))
