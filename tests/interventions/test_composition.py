"""`&` and `|`: what fires, whose memory is whose, and whose randomness is whose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.types import Context, Transition
from handrail.interventions.base import (
    AbstractTrigger,
    All,
    Either,
    Intervention,
    Threshold,
    Verdict,
)
from handrail.interventions.substitutes import Proposed, RandomAboveMean, RandomAction
from handrail.interventions.triggers import (
    AfterFirstCost,
    Always,
    Coin,
    CostCriticExceeds,
    Never,
    Predicate,
)
from tests.interventions.episodes import play, script, stepped_in

PLAYED = script(6, observation=[0] * 6, proposed=[3] * 6, cost=[0, 1, 0, 0, 0, 0])


class Noisy(AbstractTrigger):
    """Reports what it draws when it decides and when it observes."""

    name: str

    def init(self):
        return jnp.zeros(())

    def __call__(self, context, memory, *, key):
        drawn = jax.random.uniform(key)
        return Verdict(drawn < 0.5, {f"{self.name}/decided": drawn, f"{self.name}/kept": memory})

    def observe(self, memory, context, transition, *, key):
        return jax.random.uniform(key)


class NamedThreshold(Always):
    """Compares a quantity with another one."""

    def thresholds(self):
        return (Threshold("distance", "radius", "below"),)


class Loud(Noisy):
    """The same under another class's name."""


def decided(trigger: AbstractTrigger, substitute=None):
    """Two decisions with an observed step between them, not compiled: many triggers, few steps."""
    intervention = Intervention(trigger, RandomAction(7) if substitute is None else substitute)
    zero, no = jnp.int32(0), jnp.array(False)
    context = Context(zero, jnp.int32(3), {}, zero, zero, zero, jnp.float32(0), jnp.float32(0))
    step = Transition(zero, zero, zero, jnp.float32(0), jnp.float32(0), zero, no, no, no,
                      jnp.ones(()), {})  # fmt: skip
    memory = intervention.init()
    first = intervention(context, memory, key=jax.random.key(1))
    memory = intervention.observe(memory, context, step, key=jax.random.key(2))
    return first, intervention(context, memory, key=jax.random.key(3))


def draws(trigger: AbstractTrigger, name: str) -> np.ndarray:
    return np.array(
        [[d.evidence[f"{name}/decided"], d.evidence[f"{name}/kept"]] for d in decided(trigger)]
    )


OTHERS = (Coin(0.5), Coin(0.9), AfterFirstCost(), Loud("other"), Always())


@settings(max_examples=12)
@given(
    st.lists(st.sampled_from(OTHERS), max_size=3, unique_by=id),
    st.lists(st.sampled_from(OTHERS), max_size=3, unique_by=id),
)
def test_a_condition_draws_the_same_whatever_stands_beside_it(before, after):
    if sum(isinstance(other, Loud) for other in before + after) > 1:
        after = []  # two of them draw as a first and a second
        before = [other for other in before if not isinstance(other, Loud)]
    joined = Noisy("mine")
    for other in after:
        joined = joined & other
    for other in before:
        joined = other & joined
    np.testing.assert_array_equal(draws(joined, "mine"), draws(Noisy("mine"), "mine"))


def test_appending_the_same_class_again_leaves_the_first_as_it_was():
    both = Noisy("first") & Noisy("second")
    np.testing.assert_array_equal(draws(both, "first"), draws(Noisy("first"), "first"))
    assert np.all(draws(both, "first")[:, 0] != draws(both, "second")[:, 0])


@pytest.mark.parametrize("join", [lambda a, b: a & b, lambda a, b: a | b])
def test_the_grouping_of_conditions_does_not_matter(join):
    """Shared keys would make (a & b) & c draw differently from a & (b & c)."""
    a, b, c = Noisy("a"), Loud("b"), Coin(0.5)
    left, right = join(join(a, b), c), join(a, join(b, c))
    for name in "ab":
        np.testing.assert_array_equal(draws(left, name), draws(right, name))


def test_positions_instead_of_names_would_shift_the_draws():
    """The negative arm: keys split by position change when a condition is put in front."""
    key = jax.random.key(0)
    alone, second = jax.random.split(key, 1)[0], jax.random.split(key, 2)[1]
    assert jax.random.uniform(alone) != jax.random.uniform(second)


def test_the_substitute_draws_the_same_whatever_the_conditions():
    def actions(when):
        return [[int(d.action) for d in decided(when, RandomAction(n))] for n in (7, 1000)]

    plain = actions(Always())
    assert actions(Always() & Coin(1.0)) == plain
    assert actions(Noisy("a") | Always()) == plain


@given(st.tuples(st.booleans(), st.booleans(), st.booleans()))
@settings(max_examples=8)
def test_all_and_either_are_what_they_say(values):
    a, b, c = (Always() if value else Never() for value in values)
    mixed = (values[0] or values[1]) and values[2]
    expected = {"all": all(values), "any": any(values), "mixed": mixed}
    for name, trigger in (("all", a & b & c), ("any", a | b | c), ("mixed", (a | b) & c)):
        assert [bool(d.intervened) for d in decided(trigger)] == [expected[name]] * 2, name


def test_joined_conditions_are_flat():
    a, b, c = Coin(0.1), Coin(0.2), Coin(0.3)
    assert (a & b & c) == (a & (b & c)) == All((a, b, c))
    assert (a | b | c) == Either((a, b, c))
    assert isinstance(((a | b) & c).conditions[0], Either)


def test_each_condition_keeps_its_own_memory():
    latch = AfterFirstCost() & Noisy("n") & Always()
    _, memories, _ = play(Intervention(latch, RandomAction(7)), PLAYED)
    latched, noise, nothing = memories
    assert np.asarray(latched).tolist() == [False, False, True, True, True, True]
    assert len(np.unique(noise)) == 6
    assert nothing == ()


@pytest.mark.parametrize("join", [lambda a, b: a & b, lambda a, b: a | b])
def test_evidence_under_one_name_is_numbered(join):
    twice = join(Predicate(lambda c: c.step > 0), Predicate(lambda c: c.step == 0))
    first, _ = decided(twice, Proposed())
    assert {name: bool(value) for name, value in first.evidence.items()} == {
        "predicate": False,
        "predicate_2": True,
    }
    nested = (twice & Always()) | Predicate(lambda c: c.step > 0)
    assert "predicate_3" in decided(nested, Proposed())[0].evidence
    assert list(decided(Predicate(lambda c: c.step > 0))[0].evidence) == ["predicate"]


def test_thresholds_are_numbered_like_the_evidence_that_they_are_for():
    cheap, dear = (CostCriticExceeds(lambda o, a: 1.0 * a, limit) for limit in (2.0, 5.0))
    decision, _ = decided(cheap | dear, Proposed())
    assert sorted(decision.evidence) == ["predicted_cost", "predicted_cost_2"]
    compared = {one.quantity: one.value for one in (cheap | dear).thresholds()}
    assert compared == {"predicted_cost": 2.0, "predicted_cost_2": 5.0}
    by_name = NamedThreshold() | NamedThreshold()
    assert [one[:2] for one in by_name.thresholds()] == [
        ("distance", "radius"), ("distance_2", "radius_2"),
    ]  # fmt: skip


def test_without_a_substitute_the_proposed_action_stands():
    """Equal values: nothing lies above the mean. The original code crashes here."""
    equal = RandomAboveMean(lambda row: jnp.full(7, 0.1))
    decisions, _, _ = play(Intervention(Always(), equal), PLAYED)
    assert stepped_in(decisions) == []
    assert (np.asarray(decisions.action) == 3).all()
    high = RandomAboveMean(lambda row: jnp.arange(7.0), threshold=100.0)
    assert stepped_in(play(Intervention(Always(), high), PLAYED)[0]) == []


def test_extras_follow_the_action_that_is_executed():
    class Guide(RandomAction):
        def __call__(self, context, *, key):
            from handrail.interventions.base import Substitution

            extras = {"pre_squash": jnp.float32(9.0)}
            return Substitution(jnp.int32(1), jnp.array(True), extras)

    extras = {"pre_squash": jnp.float32(2.0), "other": jnp.float32(5.0)}
    decisions, _, _ = play(Intervention(AfterFirstCost(), Guide(7)), PLAYED, extras=extras)
    assert np.asarray(decisions.extras["pre_squash"]).tolist() == [2, 2, 9, 9, 9, 9]
    assert np.asarray(decisions.extras["other"]).tolist() == [5] * 6
