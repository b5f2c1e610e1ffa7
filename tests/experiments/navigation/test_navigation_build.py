"""From settings to loops, for every method, and knowledge that does not fit."""

import dataclasses
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from handrail.core.artifact import Card, save
from handrail.core.errors import HandrailError
from handrail.envs.navigation.problems import compiled_problem
from handrail.envs.wrappers import Rewarded, ZeroFilled
from handrail.interventions.adaptive_share import AdaptiveShare
from handrail.interventions.base import Either
from handrail.interventions.takeover import AdvantageExceeds, CostSumReaches
from handrail.interventions.triggers import AfterFirstCost, Always, IntervalCoin, LinearDecay, Never
from handrail.learners.sac.intrinsic import NeighbourEntropy, NoIntrinsic, RandomNetwork
from handrail.learners.sac.networks import CriticEnsemble
from handrail.methods.sagui.agents import sac_learner
from handrail.methods.sagui.guide_file import load_guide, save_guide
from handrail.methods.sagui.pretraining import load_pretrained, open_policy
from handrail.methods.sagui.settings import GuideSettings
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_student import check
from handrail.networks.gaussian import GaussianPolicy
from handrail.replay.ring import Ring
from handrail.replay.split import Split
from handrail.tasks.navigation.family import resolve_settings
from handrail.tasks.navigation.problems import pretraining_in, target_of
from tests.experiments.navigation.toy import (
    build,
    guide_loop,
    parts,
    small,
    toy_problem,
    use_toy,
    write_guide,
)

TRIGGERS = {
    "linear-decay": LinearDecay, "adaptive-share": AdaptiveShare, "budget-switch": Either,
    "guisam": Always,
    "sac-lagrangian": Never, "sac-pre": Never, "stusam": Never,
    "sum-switch": CostSumReaches, "advantage-switch": AdvantageExceeds,
}  # fmt: skip
SPLIT = {"control-switch", "fixreg", "decreg", "random-guide", "egpo"}


@pytest.fixture
def knowledge(tmp_path, monkeypatch):
    use_toy(monkeypatch)
    problem = toy_problem("toy")
    shapes = parts(problem.target)
    learner = build(small("sac-lagrangian").run, dict()).agent.learner
    spec = {"parts": shapes, "actions": 2, "hidden": [4]}
    actor = GaussianPolicy(5, 2, (4,), key=jax.random.key(1))
    save(tmp_path / "expert.safetensors", Card("expert", spec, {"hidden": [4]}), actor)
    state = learner.init(5, 2, (4,), key=jax.random.key(2))
    save(tmp_path / "pretrained.safetensors", Card("policy", spec, {"hidden": [4]}), state)
    return dict(
        guide=write_guide(tmp_path / "guide.safetensors"),
        expert=tmp_path / "expert.safetensors",
        pretrained=tmp_path / "pretrained.safetensors",
    )


@pytest.mark.parametrize(
    "method",
    [
        name
        for name, row in METHODS.items()
        if row.agent is None and row.risk is None and "encoder" not in row.needs
    ],
)  # the others: test_on_policy.py, test_risk_probes.py, test_crossed.py
def test_every_method_with_a_replay_makes_a_loop(knowledge, method):
    row = small(method)
    assert row.knowledge.keys() == {
        "egpo": {"expert"}, "sac-pre": {"pretrained"}, "sac-lagrangian": set(),
        "random-guide": set(),
    }.get(method, {"guide"})  # fmt: skip
    loop = build(row.run, knowledge)
    agent = loop.agent
    assert isinstance(loop.intervention.when, TRIGGERS.get(method, AfterFirstCost))
    assert isinstance(agent.replay, Split if method in SPLIT else Ring)
    distils = method not in ("sac-lagrangian", "sac-pre", "egpo")
    assert (agent.learner.distillation is not None) == distils
    assert (agent.guide is not None) == (distils or method == "egpo")
    state = eqx.filter_eval_shape(loop.init, key=jax.random.key(0))
    assert state.progress.step.shape == ()


def test_ablations_replace_the_strength_alone(knowledge):
    strengths = {
        method: build(small(method).run, knowledge).agent.learner.distillation
        for method in ("control-switch", "fixreg", "decreg")
    }
    beta, progress = jax.numpy.float32(3.0), jax.numpy.float32(0.25)
    found = {name: float(d.strength(beta, progress)) for name, d in strengths.items()}
    assert found == pytest.approx({"control-switch": 0.31, "fixreg": 0.1, "decreg": 0.075})


def test_budget_switch_has_the_threshold_on_the_discounted_scale(knowledge):
    run = small("budget-switch", limit=5.0).run
    critic, spent = build(run, knowledge).intervention.when.conditions
    assert critic.threshold == pytest.approx(2 * 5 * (1 - 0.99**1000) / 0.01 / 1000)
    assert spent.limit == 5.0


def test_excursions_join_the_switch(knowledge):
    switch, spells = build(
        small("control-switch", guide_interval_share=0.2).run, knowledge
    ).intervention.when.conditions
    assert isinstance(switch, AfterFirstCost) and isinstance(spells, IntervalCoin)
    assert spells.probability == 0.2


@pytest.mark.parametrize(
    ("method", "share", "message"),
    [
        ("budget-switch", 1.5, "guide_interval_share is 1.5: expected a share"),
        ("budget-switch", -0.1, "guide_interval_share is -0.1: expected a share"),
        ("sac-lagrangian", 0.1, "method 'sac-lagrangian' has one actor, so nobody else"),
        ("stusam", 0.1, "method 'stusam' has one actor, so nobody else"),
    ],
)
def test_excursions_that_nobody_can_make_are_refused(method, share, message):
    with pytest.raises(HandrailError, match=message):
        check(small(method, guide_interval_share=share).run, dict(guide=Path("here")))


def test_the_multiplier_aims_at_a_share_of_the_limit(knowledge):
    halved = build(small("control-switch", limit=5.0, limit_fraction=0.5).run, knowledge)
    assert halved.agent.learner.cost_limit == 2.5
    assert build(small("control-switch", limit=5.0).run, knowledge).agent.learner.cost_limit == 5.0
    with pytest.raises(
        HandrailError, match=r"limit_fraction is -1\.0: expected a share of the limit"
    ):
        build(small("control-switch", limit_fraction=-1.0).run, knowledge)


def test_the_tolerance_is_a_share_of_the_limit_on_the_critics_scale(knowledge):
    learner = build(small("control-switch", limit=5.0, cost_slack=0.5).run, knowledge).agent.learner
    assert learner.actor_costs(jnp.ones(1)).tolist() == pytest.approx([1.0 - learner.limit / 2])
    exact = build(small("control-switch", limit=5.0).run, knowledge).agent.learner
    assert exact.actor_costs(-jnp.ones(1)).tolist() == [-1.0]  # not even a floor at zero
    with pytest.raises(HandrailError, match=r"cost_slack is -1\.0: expected a share of the limit"):
        build(small("control-switch", cost_slack=-1.0).run, knowledge)


def test_a_pretrained_student_begins_where_it_was(knowledge):
    loop = build(small("sac-pre").run, knowledge)
    fresh = build(small("sac-lagrangian").run, knowledge)
    states = [one.init(key=jax.random.key(0)).agent.learner for one in (loop, fresh)]
    kept = load_pretrained(
        knowledge["pretrained"],
        target_of(small("sac-lagrangian").run),
        small("sac-lagrangian").run.learning,
    )
    assert eqx.tree_equal(states[0], kept)
    assert not eqx.tree_equal(states[1], kept)


def test_the_real_source_seen_like_the_target():
    problem = compiled_problem("navigation-static")
    settings = resolve_settings(
        {"environment": "navigation-static", "method": "sac-pre"}
    ).knowledge["pretrained"]
    environment = pretraining_in(settings).training
    assert isinstance(environment, ZeroFilled)
    assert parts(environment) == parts(problem.target)
    expert = pretraining_in(dataclasses.replace(settings, role="expert")).training
    assert expert == problem.target


def test_a_guide_without_bonus_has_no_reward(monkeypatch):
    use_toy(monkeypatch)
    settings = small("control-switch").knowledge["guide"]
    assert not isinstance(guide_loop(settings).environment, Rewarded)
    maxent = guide_loop(dataclasses.replace(settings, bonus="none")).environment
    state, _ = maxent.reset(key=jax.random.key(0))
    _, timestep = maxent.step(state, jax.numpy.ones(2), key=jax.random.key(1))
    assert float(timestep.reward) == 0.0


def test_a_share_of_wandering_is_a_share(monkeypatch):
    use_toy(monkeypatch)
    settings = small("control-switch").knowledge["guide"]
    with pytest.raises(HandrailError, match=r"random_action_share is 1\.5"):
        guide_loop(dataclasses.replace(settings, random_action_share=1.5))
    assert isinstance(
        guide_loop(dataclasses.replace(settings, random_action_share=0.5)).intervention.when,
        IntervalCoin,
    )
    assert isinstance(guide_loop(settings).intervention.when, Never)


def test_an_entropy_guide_is_paid_by_its_learner_alone(monkeypatch):
    use_toy(monkeypatch)
    settings = small("control-switch").knowledge["guide"]
    loop = guide_loop(dataclasses.replace(settings, bonus="entropy"))
    assert isinstance(loop.environment, Rewarded)
    assert loop.agent.learner.intrinsic == NeighbourEntropy(("hazards_lidar", "place"))
    for bonus in ("displacement", "none"):
        other = guide_loop(dataclasses.replace(settings, bonus=bonus))
        assert other.agent.learner.intrinsic == NoIntrinsic()


@pytest.mark.parametrize("bonus", ["entropy", "random-network"])
def test_a_guide_that_pays_itself_is_not_paid_for_shaking(bonus):
    loop = guide_loop(dataclasses.replace(GuideSettings(), bonus=bonus))
    counted = loop.agent.learner.intrinsic.parts
    assert counted == ("hazards_lidar", "magnetometer", "velocimeter")


def test_the_network_of_a_guides_bonus_is_that_of_its_seed():
    def target(seed):
        settings = dataclasses.replace(GuideSettings(), bonus="random-network", seed=seed)
        intrinsic = guide_loop(settings).agent.learner.intrinsic
        assert isinstance(intrinsic, RandomNetwork)
        return intrinsic.target

    assert eqx.tree_equal(target(1), target(1))
    assert not eqx.tree_equal(target(1), target(2))


def test_a_split_memory_needs_two_actors():
    for method in ("sac-lagrangian", "stusam"):
        with pytest.raises(HandrailError, match="one actor"):
            check(small(method, replay="split").run, dict(guide=Path("here")))
    with pytest.raises(HandrailError, match="needs the file of a guide"):
        check(small("control-switch").run, dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"parts": {"hazards_lidar": [1]}},
            r"observes hazards_lidar \(1,\), but sees .*place \(2,\)",
        ),
        ({"actions": 3}, "acts with 3 numbers, an action there is 2 numbers"),
        (
            {"limit": 2.0, "limit_steps": 10},
            "trained for a cost limit of 2 an episode, but the student's is 1",
        ),
        ({"limit": None}, "the card's limit is None"),
        ({"limits": {"a": 1.0, "b": 1.0}}, "for the costs a, b, the environment has one cost"),
    ],
)
def test_guides_that_do_not_fit_are_refused(tmp_path, options, message):
    path = write_guide(tmp_path / "guide.safetensors", **options)
    with pytest.raises(HandrailError, match=message):
        load_guide(path, toy_problem("toy"), limit=1.0)


@pytest.mark.parametrize(("kind", "says"), [(None, 3.5), ("linear", 3.5), ("positive", 3.5298)])
def test_a_guide_knows_the_kind_of_its_cost_critic(tmp_path, kind, says):
    """Files of older versions do not say it: theirs are linear."""
    path = write_guide(tmp_path / "guide.safetensors", cost=3.5, kind=kind)
    loaded = load_guide(path, toy_problem("toy"), limit=1.0)
    _, observation = toy_problem("toy").target.reset(key=jax.random.key(0))
    assert float(loaded.cost(observation, jax.numpy.zeros(2))) == pytest.approx(says, abs=1e-4)
    again = tmp_path / "again.safetensors"
    save_guide(again, loaded, toy_problem("toy"), hidden=(4,), limit=0.002)
    copy = load_guide(again, toy_problem("toy"), limit=1.0)
    assert copy.networks.critics.cost_critic == loaded.networks.critics.cost_critic


@pytest.mark.parametrize("kind", ["square", 3, ["positive"]])
def test_another_kind_of_cost_critic_is_refused(tmp_path, kind):
    path = write_guide(tmp_path / "guide.safetensors", kind=kind)
    with pytest.raises(HandrailError, match=r"cost_critic is .* expected 'linear' or 'positive'"):
        load_guide(path, toy_problem("toy"), limit=1.0)
    with pytest.raises(HandrailError, match=r"unknown value of 'learning.cost_critic' 'square'"):
        resolve_settings({"environment": "navigation-static", "learning.cost_critic": "square"})


def test_a_student_goes_on_with_the_critic_that_it_was_pretrained_with(knowledge):
    learning = dataclasses.replace(small("sac-lagrangian").run.learning, cost_critic="positive")
    with pytest.raises(HandrailError, match="cost_critic is 'linear', the student's 'positive'"):
        load_pretrained(knowledge["pretrained"], target_of(small("sac-lagrangian").run), learning)


def test_the_kind_of_cost_critic_reaches_guide_and_student():
    row = resolve_settings(
        {"environment": "navigation-static", "preset": "recommended", "method": "control-switch"}
        | {"learning.cost_critic": "positive", "learning.inputs": "raw"}
    )
    assert row.knowledge["guide"].learning.cost_critic == row.run.learning.cost_critic == "positive"
    learner = sac_learner(
        row.run.learning, 1.0, predicted_costs=lambda observation, action: action[:1]
    )
    state = learner.init(3, 2, (4,), key=jax.random.key(0))
    assert state.parameters.critics.cost_critic == state.targets.cost_critic == "positive"


def test_a_guide_is_no_expert(tmp_path):
    path = write_guide(tmp_path / "guide.safetensors")
    with pytest.raises(HandrailError, match="holds a guide, expected"):
        open_policy(path, target_of(small("sac-lagrangian").run).interface, "expert")


def test_a_guide_carries_its_critics_through_the_view(tmp_path):
    path = write_guide(tmp_path / "guide.safetensors", cost=3.5)
    loaded = load_guide(path, toy_problem("toy"), limit=1.0)
    assert isinstance(loaded.networks.critics, CriticEnsemble)
    _, observation = toy_problem("toy").target.reset(key=jax.random.key(0))
    assert float(loaded.cost(observation, jax.numpy.zeros(2))) == 3.5
