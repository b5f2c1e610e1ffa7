"""What triggers saw reaches the tables, and triggers may ask what is being learnt."""

import functools
import logging
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.host_copies import HostCopies
from handrail.interventions.base import AbstractTrigger, Intervention, Verdict
from handrail.interventions.recipes import none, shield, wandering, with_guide_intervals
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import CostCriticExceeds
from handrail.train.compiled import Loop
from handrail.train.evidence import may_leave, means
from handrail.train.host import HostLoop
from handrail.train.run import execute
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import LENGTH, Toy
from tests.train.test_host_loop import BLOCK, sac

TOTAL = 6 * BLOCK
STOP = Policy(lambda o, key: (jnp.zeros(2), {}))
FIRST = ("step", "episodes", "cost", "interventions", "mean_return")


class OwnCost(AbstractTrigger):
    """Asks the cost critic that is being learnt; says where it was told of what was stored."""

    def init(self):
        return jnp.zeros(())

    def __call__(self, context, memory, *, key):
        value = context.policy_snapshot.cost(context.observation, context.proposed)
        return Verdict(value > 0, {"own_cost": value, "remembered": memory})

    def observe(self, memory, context, transition, *, key):
        snapshot = context.policy_snapshot
        return snapshot.cost(transition.observation, transition.proposed)


def loops(intervention):
    """Compiled, on the host, and two side by side."""
    agent, toy = sac(), Toy(True)
    return {
        "compiled": Loop(toy, agent, intervention, TOTAL),
        "late": Loop(toy, agent, intervention, TOTAL, delayed=True),
        "host": HostLoop(OnHost(toy), agent, intervention, TOTAL, delayed=True),
        "vector": HostLoop(HostCopies([OnHost(toy), OnHost(toy)]), agent, intervention, TOTAL),
    }


@functools.cache
def asked_loops():
    return loops(Intervention(OwnCost(), STOP))


@pytest.mark.parametrize("kind", ["compiled", "late", "host", "vector"])
def test_a_trigger_asks_the_learners_own_cost_critic(kind):
    loop = asked_loops()[kind]
    state = loop.init(key=jax.random.key(0))
    for learn in (False, False, True, True):
        critics = jax.tree.map(lambda x: jnp.copy(x), state.agent.learner.parameters.critics)
        state, records, _ = loop.blocks(state, 1, learn=learn)
        waiting = state.pending
        items = jax.tree.map(np.asarray, state.agent.replay.items if waiting is None else waiting)
        last = slice(None) if waiting is not None else slice(
            int(state.agent.replay.added) - BLOCK, int(state.agent.replay.added)
        )  # fmt: skip
        items = jax.tree.map(operator.itemgetter(last), items)
        expected = jax.vmap(critics.cost)(items.observation, items.proposed)
        own = np.asarray(records.evidence["own_cost"])
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-6)
        assert np.array_equal(items.intervened, own > 0)
        if kind != "vector":
            remembered = np.asarray(records.evidence["remembered"])
            np.testing.assert_allclose(remembered[1:], expected[:-1], rtol=1e-4, atol=1e-6)
    assert len(np.unique(own)) > BLOCK // 2


def ramp():
    """A cost critic that says which tenth of the episode it is, and NaN in its last step."""

    def critic(observation, action):
        at = observation["hazards_lidar"][0]
        return jnp.where(at > (LENGTH - 1.5) / LENGTH, jnp.nan, at)

    return Intervention(CostCriticExceeds(critic, 0.55), STOP)


@pytest.mark.parametrize("kind", ["compiled", "host", "vector"])
def test_means_of_evidence_are_the_last_columns(kind, tmp_path, caplog):
    loop = loops(ramp())[kind]
    summary = execute(loop, tmp_path, {}, seed=0, summarise=lambda state: {}, chunk_steps=BLOCK)
    table = read_table(tmp_path / "progress.csv")
    names = list(table)
    assert tuple(names[: len(FIRST)]) == FIRST
    assert names[-2:] == ["evidence/predicted_cost", "evidence/not_finite"]
    assert names[len(FIRST) : -2] == list(loop.agent.metrics)
    np.testing.assert_allclose(table["evidence/predicted_cost"], 0.4, rtol=1e-6)
    np.testing.assert_allclose(table["evidence/not_finite"], 0.1, rtol=1e-6)
    assert summary["not_finite_steps"] == TOTAL // 10
    assert summary["intervention_rate"] == pytest.approx(0.4)  # 0.6, 0.7, 0.8 and NaN
    said = [r for r in caplog.records if "not finite" in r.message and r.levelno == logging.WARNING]
    assert len(said) == 1


def test_a_run_without_triggers_has_no_further_columns(tmp_path):
    summary = execute(
        Loop(Toy(True), sac(), none(), TOTAL), tmp_path, {}, seed=0, summarise=lambda state: {}
    )
    assert not [name for name in read_table(tmp_path / "progress.csv") if "evidence" in name]
    assert "not_finite_steps" not in summary


def test_only_substitutes_that_may_leave_the_action_space_are_looked_at():
    key = jax.random.key(0)
    assert not may_leave(none()) and not may_leave(wandering(0.5, 3, key=key))
    assert may_leave(ramp()) and may_leave(with_guide_intervals(ramp(), 0.5, key=key))


def test_what_is_not_finite_has_no_part_in_a_mean():
    seen = {
        "not_finite": np.array([0.0, 1.0]),
        "b": np.array([np.inf, 2.0]),
        "a": np.array([np.nan, np.inf]),
    }
    found = means(seen)
    assert list(found) == ["evidence/a", "evidence/b", "evidence/not_finite"]
    assert (
        np.isnan(found["evidence/a"])
        and found["evidence/b"] == 2
        and found["evidence/not_finite"] == 0.5
    )


def test_a_substitute_that_leaves_the_action_space_of_a_compiled_task_stops_the_run(tmp_path):
    """It is clipped inside the task, so it can be said after the chunk at the earliest."""
    far = Policy(lambda o, key: (jnp.where(o["hazards_lidar"] > 0.35, 1.5, 0.0) * jnp.ones(2), {}))
    guard = shield(lambda c: c.step > 12, far)
    with pytest.raises(HandrailError, match=r"outside of \[-1, 1\].*in \d+ of 20 .* at step 14:"):
        execute(
            Loop(Toy(True), sac(), guard, TOTAL), tmp_path, {}, seed=0,
            summarise=lambda state: {}, chunk_steps=BLOCK,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        (shield(lambda c: c.observation["place"] > 3, STOP), "the predicate gives 2 truths"),
        (
            shield(lambda c: bool(c.observation["place"][0] > 3), STOP),
            "predicate uses.*tracing",
        ),
        (shield(lambda c: c.observation["goal"] > 3, STOP), "cannot read observations"),
        (Intervention(OwnCost(), Policy(lambda o, k: (o["place"][:1], {}))), r"shape \(1,\), but"),
        (Intervention(OwnCost(), Policy(STOP.act, units="environment")), "leave `units` out"),
    ],
)
def test_a_loop_refuses_what_does_not_fit_before_its_first_step(intervention, message):
    with pytest.raises(HandrailError, match=message):
        Loop(Toy(True), sac(), intervention, TOTAL)
    with pytest.raises(HandrailError, match=message.replace("leave `units` out", "leave .units.")):
        HostLoop(OnHost(Toy(True)), sac(), intervention, TOTAL).init(key=jax.random.key(0))
