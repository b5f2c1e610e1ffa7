"""When a guide takes over, by its critics, against what SOOPER's and SAILR's code decided."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Context
from handrail.equations.budget import cost_scale, discounted_limit
from handrail.interventions.base import Intervention
from handrail.interventions.substitutes import Policy
from handrail.interventions.takeover import AdvantageExceeds, CostSumReaches, Held, check_critic
from handrail.interventions.triggers import Never, Predicate
from tests.interventions.episodes import at, play, script
from tests.support import data, part

SOOPER = part(data("methods"), "f_sooper")
SAILR = part(part(data("methods"), "e_csc_sailr"), "sailr_when")
ZERO = jnp.int32(0)


def context(observation, cost_so_far):
    return Context(observation, jnp.zeros(1), {}, ZERO, ZERO, ZERO, cost_so_far, jnp.float32(0))


def verdicts(trigger, observations, costs_so_far):
    """What a trigger without memory says of each state."""

    def one(observation, cost_so_far):
        verdict = trigger(context(observation, cost_so_far), (), key=jax.random.key(0))
        return verdict.fires, verdict.evidence

    return jax.vmap(one)(jnp.asarray(observations), jnp.asarray(costs_so_far))


def first(observation, action):
    """The critic that says the first number of the observation."""
    return observation[0]


def test_the_scale_of_a_discounted_sum_is_soopers():
    settings = SOOPER["scale/episode_length_action_repeat_gamma_c"]
    found = [cost_scale(g, int(t), action_repeat=int(n)) for t, n, g in settings]
    np.testing.assert_allclose(found, SOOPER["scale/scale"], rtol=1e-9)
    assert cost_scale(1.0, 300) == 1.0
    # of a cost at every step for ever, a critic says 1 / (1 − γ): the episode costs its length
    assert cost_scale(0.9, 300) / (1 - 0.9) == pytest.approx(300)
    assert cost_scale(0.99, 10_000) * discounted_limit(7.0, 0.99, 10_000) == pytest.approx(7.0)


def test_by_the_sum_it_takes_over_where_sooper_does():
    recorded = part(SOOPER, "filter")
    predicted = recorded["qc_ensemble_behaviour"].mean(axis=1)
    limit, scale = float(recorded["budget"]), float(recorded["scale"])
    trigger = CostSumReaches(first, limit, scale)
    fires, evidence = verdicts(trigger, predicted[:, None], recorded["cost_so_far"])
    np.testing.assert_array_equal(fires, recorded["sooper/intervention"] > 0)
    assert 0 < fires.sum() < len(fires)
    above = predicted >= 0  # below zero ours counts as zero
    np.testing.assert_allclose(
        evidence["predicted_total"][above], recorded["sooper/expected_total_cost"][above], rtol=1e-6
    )


def test_a_negative_prediction_never_talks_a_spent_budget_away():
    trigger = CostSumReaches(first, 5.0, 2.0)
    fires, _ = verdicts(trigger, [[-9.0], [-9.0], [jnp.nan]], [5.0, 4.9, 0.0])
    assert fires.tolist() == [True, False, True]


def test_by_the_advantage_it_takes_over_where_sooper_and_sailr_do():
    recorded = part(SOOPER, "filter")
    both = [recorded[f"qc_ensemble_{who}"].mean(axis=1) for who in ("behaviour", "backup")]
    trigger = AdvantageExceeds(lambda o, a: o[0] - o[1], float(recorded["advantage_threshold"]))
    fires, _ = verdicts(trigger, np.stack(both, axis=1), recorded["cost_so_far"])
    np.testing.assert_array_equal(fires, recorded["advantage/intervention"] > 0)

    whole = ~SAILR["only_q"]
    q, v = (jax.nn.sigmoid(SAILR[f"{name}_logits"]) for name in ("q", "v"))
    # the higher of two critics is their mean and a deviation, the lower one deviation less
    high, low = q.mean(axis=1) + q.std(axis=1), v.mean(axis=1) - v.std(axis=1)
    np.testing.assert_allclose(high, q.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(low, v.min(axis=1), rtol=1e-5)
    trigger = AdvantageExceeds(lambda o, a: o[0] - o[1] - o[2], 0.0)
    seen = np.stack([q.max(axis=1), v.min(axis=1), SAILR["eta"].astype(np.float32)], axis=1)
    fires, _ = verdicts(trigger, seen, np.zeros(len(seen)))
    np.testing.assert_array_equal(fires[whole], SAILR["decision"][whole])
    assert 0 < fires[whole].sum() < whole.sum()


def acted(trigger, values, ends=(), costs=None):
    """In which steps of a script the substitute acts; the trigger sees these values."""
    played = script(
        len(values), observation=values, proposed=[0.0] * len(values),
        truncated=at(len(values), *ends),
    )  # fmt: skip
    intervention = Intervention(trigger, Policy(lambda observation, key: (jnp.ones(()), {})))
    return np.asarray(play(intervention, played)[0].intervened).astype(int).tolist()


def above(threshold):
    return Predicate(lambda context: context.observation > threshold)


VALUES = [0.0, 3.0, 1.5, 1.5, 0.5, 1.5, 3.0, 1.5, 1.5, 0.0]


def hold(stay, steps=1):
    return Held(above(2.0), stay, steps)


def test_a_takeover_stays_until_the_value_is_below_the_lower_threshold():
    assert acted(hold(Never()), VALUES) == [0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert acted(hold(above(1.0)), VALUES) == [0, 1, 1, 1, 0, 0, 1, 1, 1, 0]


def test_a_takeover_lasts_for_at_least_some_steps():
    assert acted(hold(Never(), 3), VALUES) == [0, 1, 1, 1, 0, 0, 1, 1, 1, 0]
    assert acted(hold(above(1.0), 4), VALUES) == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_the_end_of_an_episode_gives_control_back():
    assert acted(hold(above(1.0), 3), VALUES, ends=[1, 7]) == [0, 1, 0, 0, 0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: check_critic("the cost critic", None), "cost critic is None"),
        (lambda: CostSumReaches(first, 5.0, 0.0), "scale is 0.0"),
        (lambda: Held(Never(), Never(), 0), "steps is 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(build, message):
    with pytest.raises(HandrailError, match=message):
        build()
