"""Views and transfer problems: what fits passes, what does not is refused with a reason."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError, UnknownName
from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, BoxActions, DiscreteActions
from handrail.envs.navigation import compiled_problem, navigation_problem
from handrail.envs.transfer import SameView, TransferProblem, View


class Still(AbstractEnvironment):
    """Does nothing, and observes zeros."""

    shapes: dict
    actions: BoxActions | DiscreteActions = BoxActions(2)
    episode_length: int = 1

    def reset(self, *, key):
        if not self.shapes:
            return None, jnp.int32(0)
        return None, {name: jnp.zeros(shape) for name, shape in self.shapes.items()}

    def step(self, state, action, *, key):
        zero, no = jnp.zeros(()), jnp.array(False)
        return None, Timestep(self.reset(key=key)[1], zero, zero, no, no)


SOURCE, TARGET = Still({"gyro": (3,)}), Still({"gyro": (3,), "goal": (16,), "near": (4,)})


def test_a_view_selects_and_renames():
    observation = {"a": np.ones(2), "b": np.zeros(3), "c": np.ones(4)}
    assert list(View.keep(["b", "a"])(observation)) == ["b", "a"]
    renamed = View.rename({"danger": "c"})(observation)
    assert list(renamed) == ["danger"] and renamed["danger"] is observation["c"]
    assert SameView()(observation) is observation


def test_a_view_passes_through_compilation_and_batches():
    view = View.keep(["gyro"])
    batch = {"gyro": jnp.ones((5, 3)), "goal": jnp.zeros((5, 16))}
    assert jax.jit(view)(batch)["gyro"].shape == (5, 3)
    assert not jax.tree.leaves(view)  # nothing to train, nothing to save


def test_problems_that_fit():
    TransferProblem(SOURCE, TARGET, View.keep(["gyro"]))
    TransferProblem(SOURCE, SOURCE, SameView())
    TransferProblem(Still({}), Still({}), SameView())
    TransferProblem(Still({"near": (4,)}), TARGET, View.rename({"near": "near"}))


@pytest.mark.parametrize(
    ("source", "target", "view", "reason"),
    [
        (SOURCE, TARGET, View.keep(["gyros"]), "needs the part 'gyros'.*which has goal, gyro"),
        (SOURCE, TARGET, View.keep([]), "observes the part 'gyro', which the view does not"),
        (SOURCE, TARGET, View.keep(["gyro", "goal"]), "gives the part 'goal'.*leave it out"),
        (SOURCE, TARGET, SameView(), "gives the part 'goal'|gives the part 'near'"),
        (SOURCE, TARGET, View.rename({"gyro": "near"}), r"shape \(4,\) in the target but \(3,\)"),
        (SOURCE, Still({}), View.keep(["gyro"]), "not a dictionary of named parts"),
        (SOURCE, Still({}), SameView(), "the source observes named parts"),
        (SOURCE, Still({"gyro": (3,)}, DiscreteActions(7)), SameView(), "the same actions"),
        (SOURCE, Still({"gyro": (3,)}, BoxActions(3)), SameView(), "3 numbers in"),
        (SOURCE, object(), SameView(), "the same actions"),
    ],
)
def test_problems_that_do_not_fit(source, target, view, reason):
    with pytest.raises(HandrailError, match=reason):
        TransferProblem(source, target, view)


def test_a_part_named_twice():
    with pytest.raises(HandrailError, match="'gyro' twice"):
        View.keep(["gyro", "gyro"])


@pytest.mark.parametrize("name", ["navigation-static", "navigation-dynamic-without-vases"])
def test_compiled_navigation(name):
    problem = compiled_problem(name, source_length=200)
    _, seen = problem.target.reset(key=jax.random.key(0))
    _, known = problem.source.reset(key=jax.random.key(0))
    assert "goal_lidar" in seen
    assert {k: v.shape for k, v in problem.view(seen).items()} == {
        k: v.shape for k, v in known.items()
    }
    assert (problem.source.episode_length, problem.target.episode_length) == (200, 1000)


@pytest.mark.parametrize("name", ["navigation-semi-dynamic", "navigation-pointgoal1"])
def test_mujoco_navigation(name):
    problem = navigation_problem(name)
    seen = problem.target.reset(key=jax.random.key(0))
    assert problem.source.observation_space.contains(problem.view(seen))


def test_unknown_problems():
    with pytest.raises(UnknownName, match="did you mean 'navigation-static'"):
        compiled_problem("navigation-stattic")
    with pytest.raises(HandrailError, match="without_vases"):
        compiled_problem("navigation-semi-dynamic")
