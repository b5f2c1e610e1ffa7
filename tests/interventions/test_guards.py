"""A guard that does not know steps in and says so; one that cannot work is refused when built."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.interventions import base, near_unsafe
from handrail.interventions import triggers as when
from handrail.interventions.base import AbstractTrigger, Intervention, Verdict, stream_name
from handrail.interventions.near_unsafe import AdaptiveRadius, FixedRadius, NearUnsafe
from handrail.interventions.recipes import domain_prior, shield
from handrail.interventions.stepwise import Stepwise
from handrail.interventions.substitutes import Policy, RandomAboveMean, RandomAction
from handrail.interventions.takeover import AdvantageExceeds, CostSumReaches
from handrail.interventions.triggers import (
    AfterFirstCost,
    Always,
    BelowMean,
    BudgetSpent,
    CostCriticExceeds,
    Predicate,
)
from tests.interventions.episodes import play, script, stepped_in

NAN, INF = float("nan"), float("inf")
STOP = Policy(lambda o, key: (jnp.zeros(2), {}))
BOX, NUMBER = np.zeros(2, np.float32), np.int32(0)

FROZEN = {
    "All", "Either", "Always", "Never", "Coin", "Spells", "BelowMean", "AfterFirstCost",
    "LinearDecay", "CostCriticExceeds", "BudgetSpent", "Predicate", "NearUnsafe", "FromStep",
}  # fmt: skip
"""Names of random streams of runs that exist. Never edit one: add those of new triggers."""


def stepwise(intervention, proposed=BOX, **options) -> Stepwise:
    return Stepwise(
        intervention, np.zeros(2, np.float32), np.asarray(proposed), key=jax.random.key(0),
        **options,
    )  # fmt: skip


def test_the_names_of_streams_are_frozen():
    found = {
        stream_name(kind)
        for module in (base, near_unsafe, when)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, AbstractTrigger) and not inspect.isabstract(kind)
    }
    assert found == FROZEN


def test_a_users_trigger_has_the_stream_of_its_class_name():
    class Mine(when.Coin):
        pass

    class Renamed(when.Coin):
        stream = "Mine"

    assert stream_name(Mine) == stream_name(Renamed) == "Mine"
    drawn = [
        np.asarray(play(Intervention(kind(0.5), RandomAction(7)), script(40))[0].intervened)
        for kind in (when.Coin, Mine, Renamed)
    ]
    assert np.array_equal(drawn[1], drawn[2]) and not np.array_equal(drawn[0], drawn[1])


class Odd(AbstractTrigger):
    """Fires with what it is given."""

    fires: object

    def init(self):
        return ()

    def __call__(self, context, memory, *, key):
        verdict = object.__new__(Verdict)  # annotations are checked in tests alone
        object.__setattr__(verdict, "fires", self.fires)
        object.__setattr__(verdict, "evidence", {})
        object.__setattr__(verdict, "not_finite", None)
        return verdict

    def observe(self, memory, context, transition, *, key):
        return memory


def critic(value):
    return CostCriticExceeds(lambda o, a: value, 1.0)


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        (lambda: shield(lambda c: c.observation > 3, STOP),
         r"the predicate gives 2 truths; reduce them, such as with \.any\(\)"),
        (lambda: shield(lambda c: c.observation[:1] > 3, STOP), "the predicate gives 1 truths"),
        (lambda: shield(lambda c: None, STOP), "predicate gives a NoneType; expected one truth"),
        (lambda: shield(lambda c: jnp.complex64(1), STOP), "the predicate gives complex64"),
        (lambda: Intervention(Odd(jnp.array([True, False])), STOP), "trigger Odd gives 2 truths"),
        (lambda: Intervention(critic(jnp.zeros(2)), STOP),
         r"the cost critic gives 2 numbers \(shape \(2,\)\); reduce them to one, .*\.max\(\)"),
        (lambda: Intervention(NearUnsafe(lambda o: o[:1], jnp.zeros((0, 2))), STOP),
         r"the embedding gives numbers of shape \(1,\); expected a vector of 2"),
        (lambda: Intervention(Always(), Policy(lambda o, key: (jnp.zeros(()), {}))),
         r"acts with float32 of shape \(\), but actions here are float32 of shape \(2,\)"),
        (lambda: Intervention(Always(), Policy(lambda o, key: jnp.zeros(2))),
         "gives a .*; expected an action and its extras"),
        (lambda: Intervention(Always(), Policy(STOP.act, units="environment")), "leave `units`"),
        (lambda: BudgetSpent(NAN), "limit is nan: expected a number; against anything else"),
        (lambda: CostCriticExceeds(lambda o, a: 0.0, jnp.float32(NAN)), "threshold is"),
        (lambda: AdvantageExceeds(lambda o, a: 0.0, NAN), "threshold is nan"),
        (lambda: CostSumReaches(lambda o, a: 0.0, NAN), "limit is nan"),
        (lambda: FixedRadius(NAN), "distance is nan"),
        (lambda: when.Coin(NAN), "probability is nan"),
    ],
)  # fmt: skip
def test_what_cannot_guard_is_refused_when_it_is_built(intervention, message):
    with pytest.raises(HandrailError, match=message):
        stepwise(intervention())


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        (lambda: domain_prior(lambda o: jnp.zeros(3)), r"shape \(3,\); expected a vector of 4"),
        (lambda: domain_prior(lambda o: jnp.zeros((1, 4))), r"shape \(1, 4\)"),
        (lambda: Intervention(Always(), RandomAboveMean(lambda o: o)), r"shape \(2,\)"),
        (lambda: Intervention(Always(), RandomAction(5)), "one of 5 actions, but there are 4"),
    ],
)
def test_what_is_made_for_another_number_of_actions_is_refused(intervention, message):
    with pytest.raises(HandrailError, match=message):
        stepwise(intervention(), NUMBER, actions=4)


def test_ordinary_python_is_named_with_the_way_round():
    def fast(context):
        return True if context.observation[0] > 3 else False

    with pytest.raises(HandrailError, match=r"the predicate .*tracing.*jnp\.where.*on_host"):
        stepwise(shield(fast, STOP))
    brake = Policy(lambda o, key: (np.clip(np.asarray(o), -1, 1), {}))
    with pytest.raises(HandrailError, match=r"the policy that acts instead .*tracing.*on_host"):
        stepwise(Intervention(Always(), brake))


def test_known_embeddings_are_finite():
    with pytest.raises(HandrailError, match="known unsafe embeddings are not all finite"):
        NearUnsafe(lambda o: o, jnp.array([[0.0, NAN]]))


@pytest.mark.parametrize("number", [0, 1, 0.0, 2.5])
def test_a_number_is_a_truth(number):
    verdict = stepwise(shield(lambda c: jnp.asarray(number), STOP)).decide(BOX, BOX)
    assert verdict.intervened == bool(number) and "not_finite" not in verdict.evidence


def near(embed=lambda o: o):
    return NearUnsafe(embed, jnp.full((4, 2), 50.0), AdaptiveRadius(1.0), minimum=1)


VALUES = {
    "critic": lambda: Intervention(CostCriticExceeds(lambda o, a: o[0], 9e9), STOP),
    "predicate": lambda: shield(lambda c: c.observation[0] * 0, STOP),
    "distance": lambda: Intervention(near(), STOP),
    "either": lambda: Intervention(BudgetSpent(9.0) | critic_of_observation(), STOP),
}


def critic_of_observation():
    return CostCriticExceeds(lambda o, a: o[0], 9e9)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("name", VALUES)
def test_what_is_not_finite_means_step_in_and_is_said(name, value, caplog):
    asked = stepwise(VALUES[name]())
    seen = [np.array([v, 0], np.float32) for v in (1.0, value, value, 1.0)]
    verdicts = []
    for observation in seen:
        verdicts.append(asked.decide(observation, BOX))
        asked.observe(observation, 0.0, 0.0, False, False)
    assert [verdict.intervened for verdict in verdicts] == [False, True, True, False]
    assert [verdict.evidence.get("not_finite") for verdict in verdicts] == [None, 1.0, 1.0, None]
    assert len([record for record in caplog.records if "not finite" in record.message]) == 1


def test_a_prior_that_is_not_finite():
    values = jnp.array([[0.0, 1, 2, 3], [NAN, 1, 2, 3], [NAN] * 4])
    intervention = Intervention(
        BelowMean(lambda row: values[row]), RandomAboveMean(lambda row: values[row])
    )
    played = script(30, observation=[0, 1, 2] * 10, proposed=[3] * 30)
    decisions, _, _ = play(intervention, played)
    assert stepped_in(decisions) == [step for step in range(30) if step % 3]
    assert np.asarray(decisions.not_finite).tolist() == [False, True, True] * 10
    actions = np.asarray(decisions.action)
    assert set(actions[1::3]) == {2}, "the lowest of those that are known counts for the others"
    assert set(actions[2::3]) == {0, 1, 2}, "nothing is known: any other action"


def test_a_cost_that_is_not_finite():
    played = script(3, cost=[NAN, 0.0, 0.0], proposed=[1] * 3)
    for trigger in (AfterFirstCost(), BudgetSpent(9.0)):
        decisions, _, _ = play(Intervention(trigger, RandomAction(7)), played)
        assert stepped_in(decisions) == [1, 2]


def test_an_embedding_that_is_not_finite_is_not_remembered():
    seen = jnp.array([[1.0, 1], [NAN, 1], [2.0, 2], [1.0, 1]])
    played = script(4, observation=seen, proposed=jnp.zeros((4, 2)), cost=[1.0, 1.0, 1.0, 0.0])
    guard = NearUnsafe(lambda o: o, jnp.zeros((0, 2)), AdaptiveRadius(1.0), minimum=0)
    decisions, memories, last = play(Intervention(guard, STOP), played)
    assert stepped_in(decisions) == [1, 3]
    assert int(last.inserted) == 2 and np.isfinite(last.embeddings).all()
    assert memories.reach[2] == memories.reach[1]


def test_finite_numbers_are_judged_as_ever():
    """A predicate of no numbers has nothing that could be unknown, so nothing is reported."""
    decision = play(Intervention(Predicate(lambda c: c.step > 1), RandomAction(7)), script(3))[0]
    assert decision.not_finite is None and stepped_in(decision) == [2]
