"""What a student keeps of a step in which it was overruled."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.stored import InterventionPenalty, ProposedAction, TakeoverEnds
from handrail.methods.sagui.agents import stored
from handrail.methods.sagui.settings import StoredSettings
from handrail.replay.ring import Ring
from tests.learners.sac.test_agent import clock, student, transition
from tests.support import data, part

OWN, GUIDES = (transition(intervened=who) for who in (False, True))


def kept(stored, step):
    """The transition in the memory of an agent that has seen one."""
    agent = student(learner=SacLagrangian(), guide=None, replay=Ring(2), stored=stored)
    state = agent.init(step, key=jax.random.key(0))
    items = agent.observe(state, step, clock(1)).replay.items
    return jax.tree.map(lambda leaf: np.asarray(leaf[0]), items)


def same(one, other):
    return all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def test_what_the_student_did_itself_is_kept_as_it_was():
    for change in (InterventionPenalty(3.0), TakeoverEnds(5.0, 7.0)):
        assert np.isclose(kept((change,), OWN).reward, 0.1) and not kept((change,), OWN).terminated
        assert kept((change,), OWN).cost == 1
    assert same(kept((), GUIDES), GUIDES)


def test_a_penalty_is_taken_off_the_reward_of_the_guides_steps():
    assert np.isclose(kept((InterventionPenalty(3.0),), GUIDES).reward, 0.1 - 3.0)


def test_the_proposed_action_is_kept_in_place_of_the_executed_one():
    assert kept((), GUIDES).action.tolist() == [0.5, -0.5]
    assert kept((ProposedAction(),), GUIDES).action.tolist() == [0.0, 0.0]


def test_a_takeover_ends_the_students_episode():
    step = kept((TakeoverEnds(5.0, 7.0),), GUIDES)
    assert (step.reward, step.cost, bool(step.terminated)) == (5.0, 7.0, True)
    assert step.action.tolist() == [0.0, 0.0]  # its own


def test_of_several_costs_each_is_that_of_the_end():
    """They are what is learnt from."""
    several = dataclasses.replace(GUIDES, constraints=jnp.array([1.0, 2.0]))
    assert TakeoverEnds(0.0, 7.0)(several).constraints.tolist() == [7.0, 7.0]
    own = dataclasses.replace(several, intervened=jnp.array(False))
    assert TakeoverEnds(0.0, 7.0)(own).constraints.tolist() == [1.0, 2.0]


def test_the_guides_value_ends_it_as_by_sooper():
    """Where the predicted total exceeds the budget: continuation 0, and the mean of the critics."""
    recorded = part(data("methods"), "f_sooper/relabel")
    over = recorded["sooper/discount"] == 0
    assert 0 < over.sum() < len(over)
    values = recorded["qr_ensemble_backup_action"].mean(axis=1)
    step = jax.vmap(lambda ends, value: TakeoverEnds(value=lambda observation: value)(
        dataclasses.replace(transition(), intervened=ends)
    ))  # fmt: skip
    found = step(jnp.asarray(over), jnp.asarray(values))
    np.testing.assert_array_equal(1 - found.terminated, recorded["sooper/discount"])
    np.testing.assert_allclose(found.reward[over], recorded["sooper/reward"][over], rtol=1e-6)
    assert np.allclose(found.reward[~over], 0.1)


def test_the_end_of_an_episode_is_a_step_that_a_penalty_is_taken_off():
    settings = StoredSettings(penalty=1.0, takeover_ends=True, ending_reward=5.0)
    assert kept(stored(settings, None), GUIDES).reward == 4.0
