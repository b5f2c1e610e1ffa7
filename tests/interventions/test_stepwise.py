"""An intervention asked step by step decides what it decides inside the compiled loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.interventions.base import Intervention
from handrail.interventions.near_unsafe import AdaptiveRadius, NearUnsafe
from handrail.interventions.recipes import budget_switch, control_switch, linear_decay, shield
from handrail.interventions.stepwise import Stepwise
from handrail.interventions.substitutes import Policy, RandomAction
from handrail.interventions.triggers import AfterFirstCost, BudgetSpent, Coin
from tests.interventions.episodes import play, script

STEPS = 40
RANDOM = np.random.default_rng(0)
PLAYED = {
    "observation": RANDOM.normal(size=(STEPS, 3)).astype(np.float32),
    "cost": RANDOM.integers(0, 2, STEPS).astype(np.float32),
    "terminated": RANDOM.random(STEPS) < 0.1,
    "truncated": RANDOM.random(STEPS) < 0.1,
}
BOX = RANDOM.uniform(-1, 1, (STEPS, 2)).astype(np.float32)
NUMBERS = RANDOM.integers(0, 4, STEPS).astype(np.int32)


def act(observation, key):
    return jnp.tanh(observation[:2] + jax.random.normal(key, (2,))), {}


def critic(observation, action):
    return observation[0] + action[0]


def near():
    return NearUnsafe(
        lambda o: o[:2], jnp.zeros((0, 2)), AdaptiveRadius(1.0), neighbours=2, capacity=5, minimum=1
    )


CASES = {
    "control-switch": (lambda: control_switch(Policy(act)), BOX),
    "linear-decay": (lambda: linear_decay(Policy(act)), BOX),
    "budget-switch": (
        lambda: budget_switch(Policy(act), critic, threshold=1.0, limit=2.0),
        BOX,
    ),
    "shield": (lambda: shield(lambda c: c.observation[1] > 0, Policy(act)), BOX),
    "near unsafe": (lambda: Intervention(near() & Coin(0.7), RandomAction(4)), NUMBERS),
    "either": (
        lambda: Intervention(AfterFirstCost() & Coin(0.5) | BudgetSpent(2.0), RandomAction(4)),
        NUMBERS,
    ),
}


def walk(intervention, proposed, **options):
    """The verdicts over `PLAYED`, and the memory before each was reached."""
    asked = Stepwise(
        intervention,
        PLAYED["observation"][0],
        np.asarray(proposed[0]),
        total_steps=STEPS,
        **options,
    )
    verdicts = []
    for step in range(STEPS):
        now = {name: column[step] for name, column in PLAYED.items()}
        cost, *ends = float(now["cost"]), bool(now["terminated"]), bool(now["truncated"])
        verdicts.append(asked.decide(now["observation"], np.asarray(proposed[step])))
        asked.observe(now["observation"], 0.0, cost, *ends)
        if any(ends):
            asked.begin_episode()
    return verdicts


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_in_the_compiled_loop(name):
    build, proposed = CASES[name]
    key = jax.random.key(5)
    verdicts = walk(build(), np.asarray(proposed), key=key)
    decisions, _, _ = play(build(), script(STEPS, proposed=proposed, **PLAYED), key=key)
    intervened = np.asarray(decisions.intervened)
    assert 0 < intervened.sum() < STEPS  # else this would show nothing
    assert [v.intervened for v in verdicts] == intervened.tolist()
    np.testing.assert_allclose([v.action for v in verdicts], decisions.action, rtol=1e-6)
    assert verdicts[0].action.dtype == proposed.dtype
    for evidence, values in decisions.evidence.items():
        found = [v.evidence[evidence] for v in verdicts]
        np.testing.assert_allclose(found, np.asarray(values, np.float32), rtol=1e-5)


def test_a_reset_in_the_middle_ends_the_episode():
    asked = Stepwise(
        control_switch(Policy(act)), PLAYED["observation"][0], BOX[0], key=jax.random.key(0)
    )

    def step(cost):
        verdict = asked.decide(PLAYED["observation"][0], BOX[0])
        asked.observe(PLAYED["observation"][1], 0.0, cost, False, False)
        return verdict.intervened

    assert [step(1.0), step(0.0)] == [False, True]
    asked.begin_episode()
    assert step(0.0) is False
    step(1.0)
    assert asked.decide(PLAYED["observation"][0], BOX[0]).intervened
    asked.begin_episode()  # the environment failed: the step that was decided has no outcome
    assert step(0.0) is False


def test_named_parts_through_a_view():
    example = {"a": np.zeros((2, 2), np.float32), "b": np.zeros(3, np.float32)}
    intervention = shield(lambda c: c.observation.sum() > 5, Policy(lambda o, key: (o[:2], {})))
    asked = Stepwise(intervention, example, BOX[0], view=lambda o: o["b"], key=jax.random.key(0))
    now = {"a": np.full((2, 2), 9, np.float32), "b": np.array([1, 2, 3], np.float32)}
    verdict = asked.decide(now, BOX[0])
    assert verdict.intervened and verdict.action.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("build", "proposed", "message"),
    [
        (lambda: control_switch(Policy(lambda o, k: (o, {}))), BOX[0], r"\(3,\), but .*\(2,\)"),
        (lambda: control_switch(Policy(lambda o, k: (o[:2], {}))), NUMBERS[0], "same actions"),
        (lambda: Intervention(Coin(0.5), RandomAction(4)), BOX[0], "same actions"),
        (lambda: control_switch(Policy(lambda o, k: (o["x"], {}))), BOX[0], "cannot read"),
        (
            lambda: control_switch(Policy(lambda o, k: (jnp.ones((2, 7)) @ o, {}))),
            BOX[0],
            r"cannot read observations of shape \(3,\)",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_at_once(build, proposed, message):
    with pytest.raises(HandrailError, match=message):
        Stepwise(build(), PLAYED["observation"][0], np.asarray(proposed), key=jax.random.key(0))


def test_fading_out_needs_the_length_of_the_run():
    with pytest.raises(HandrailError, match="give total_steps"):
        Stepwise(
            Intervention(BudgetSpent(1.0) | linear_decay(Policy(act)).when, Policy(act)),
            PLAYED["observation"][0], BOX[0], key=jax.random.key(0),
        )  # fmt: skip
