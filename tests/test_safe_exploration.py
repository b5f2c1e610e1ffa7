"""Another library's agent under an intervention: what the wrapper does to actions and infos."""

import pickle

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from handrail.core.artifact import Card, load, save
from handrail.core.errors import HandrailError
from handrail.envs.transfer import View
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import control_switch, shield
from handrail.interventions.substitutes import Policy, RandomAction
from handrail.interventions.triggers import Always, Predicate
from handrail.methods.sagui.guide import GuideNetworks
from handrail.safe_exploration import SafeExploration
from tests.envs.toys import Broken, Named, SixTuple, Walker


def back(observation, key):
    return -jnp.ones(1), {}


def turn_back():
    return control_switch(Policy(back))


def drive(env, action, steps=20, seed=0):
    env.reset(seed=seed)
    return [env.step(action) for _ in range(steps)]


@pytest.mark.parametrize("toy", [Walker, SixTuple])
def test_actions_and_infos(toy):
    inner = toy()
    env = SafeExploration(inner, turn_back())
    assert isinstance(env, gymnasium.Env) and env.action_space == inner.action_space
    env.reset(seed=0)
    taken, flags, costs = [], [], []
    for _ in range(20):
        proposed = np.array([3.9], np.float32)
        *_, terminated, truncated, info = env.step(proposed)
        assert info["proposed_action"] is proposed
        assert (info["executed_action"] is proposed) != info["intervened"]  # untouched, to the bit
        taken.append(float(inner.taken[0]))
        flags.append(info["intervened"])
        costs.append(info["cost"])
        assert info["evidence"] == {"latched": float(info["intervened"])}
    first = costs.index(1.0)
    assert flags == [step > first for step in range(20)]
    assert taken == [-2.0 if flag else np.float32(3.9) for flag in flags]  # −1 is the low bound
    assert truncated and not terminated
    with pytest.raises(HandrailError, match="call reset"):
        env.step(proposed)


def test_a_pickled_copy_goes_on_from_where_it_was():
    env = SafeExploration(Walker(), turn_back())
    drive(env, np.array([3.9], np.float32), 7)
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(5):
        one, two = (each.step(np.array([3.9], np.float32)) for each in (env, copy))
        np.testing.assert_array_equal(one[0], two[0])
        assert one[1:4] == two[1:4] and one[-1]["evidence"] == two[-1]["evidence"]
        np.testing.assert_array_equal(one[-1]["executed_action"], two[-1]["executed_action"])


@pytest.mark.parametrize("far", [50.0, -1e9])
def test_what_is_executed_is_what_was_judged(far):
    """Beyond the bounds an action is cut off: a rule that allowed 4 must not let 50 pass."""
    inner, seen = Walker(), []

    def watched(context):
        return context.proposed[0] > 2  # never: agents act in [−1, 1]

    env = SafeExploration(inner, shield(watched, Policy(back)))
    env.reset(seed=0)
    seen = env.step(np.array([far], np.float32))[-1]
    bound = inner.action_space.high if far > 0 else inner.action_space.low
    assert not seen["intervened"] and seen["executed_action"] == bound == inner.taken


def test_without_intervention_it_is_the_environment():
    from handrail.interventions.recipes import none

    def rollout(env):
        env.reset(seed=3)
        env.action_space.seed(0)
        return [env.step(env.action_space.sample())[:4] for _ in range(30)]

    plain = rollout(gymnasium.make("Pendulum-v1"))
    wrapped = rollout(SafeExploration(gymnasium.make("Pendulum-v1"), none(), cost=lambda *_: 0.0))
    for one, two in zip(plain, wrapped, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        assert one[1:] == two[1:]


def test_discrete_actions_and_a_cost_function():
    def falling(context):
        return jnp.abs(context.observation[2]) > 0.05

    env = SafeExploration(
        gymnasium.make("CartPole-v1"),
        Intervention(Predicate(falling), RandomAction(2)),
        cost=lambda obs, action, next_obs, info: float(abs(next_obs[2]) > 0.1),
    )
    env.reset(seed=1)
    infos = []
    for _ in range(200):
        *_, terminated, truncated, info = env.step(1)
        infos.append(info)
        if terminated or truncated:
            env.reset()
    overridden = [info for info in infos if info["intervened"]]
    assert {info["executed_action"] for info in overridden} == {0, 1}
    assert all(info["executed_action"] == 1 for info in infos if not info["intervened"])
    assert {info["cost"] for info in infos} == {0.0, 1.0}


@pytest.mark.filterwarnings("ignore::UserWarning")  # its advice on Pendulum
def test_it_is_an_environment_for_everyone_else():
    def make():
        pendulum = gymnasium.make("Pendulum-v1", disable_env_checker=True)
        fast = shield(lambda c: jnp.abs(c.observation[2]) > 0.5, Policy(back))
        return SafeExploration(pendulum, fast, cost=lambda *_: 0.0)

    check_env(make(), skip_render_check=True)
    both = gymnasium.vector.SyncVectorEnv(
        [lambda: gymnasium.wrappers.RecordEpisodeStatistics(make())] * 2
    )
    both.reset(seed=0)
    infos = [both.step(both.action_space.sample())[-1] for _ in range(20)]
    assert infos[-1]["intervened"].shape == infos[-1]["cost"].shape == (2,)
    assert 0 < np.mean([info["intervened"] for info in infos]) <= 1
    both.close()


def test_seeds():
    def flags(seed):
        intervention = Intervention(Always(), RandomAction(2))
        cartpole = gymnasium.make("CartPole-v1")
        env = SafeExploration(cartpole, intervention, cost=lambda *_: 0.0, seed=seed)
        return [info["executed_action"] for *_, info in drive(env, 1, 8)]

    assert flags(0) == flags(0) != flags(1)


def test_several_named_costs():
    env = SafeExploration(
        Walker(), turn_back(), cost=lambda o, a, n, i: {"a": 2.0, "b": 1.0},
        limits={"a": 4.0, "b": 1.0},
    )  # fmt: skip
    info = drive(env, np.ones(1, np.float32), 1)[0][-1]
    assert info["cost"] == 1.0 and info["costs"] == {"a": 2.0, "b": 1.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"info": {}}, "Broken: the step has no cost"),
        ({"info": {"cost": -1.0}}, "Broken: the cost is -1.0"),
        ({"observation": np.full(2, np.nan, np.float32)}, "not finite"),
        ({"raises": ValueError("jammed")}, "step raised ValueError: jammed"),
        ({"result": ()}, "tuple of 0"),
    ],
)
def test_bad_steps(wrong, message):
    env = SafeExploration(Broken(**wrong), turn_back())
    with pytest.raises(HandrailError, match=message):
        drive(env, np.ones(1, np.float32))
    env.reset()
    env.step(np.ones(1, np.float32))


def test_actions_that_are_none():
    env = SafeExploration(Walker(), turn_back())
    for action in (np.array([np.nan]), np.zeros(3), 1):
        env.reset()
        with pytest.raises(HandrailError, match=r"expected finite numbers of shape \(1,\)"):
            env.step(action)


def test_a_view_that_names_a_missing_part():
    intervention = shield(lambda c: c.observation["position"][0] > 0, Policy(back))
    parts = ["position", "phase"]
    SafeExploration(Named(), intervention, view=View.keep(["position"]), parts=parts)
    with pytest.raises(HandrailError, match=r"view needs the part 'gyro'.*has phase, position"):
        SafeExploration(Named(), intervention, view=View.keep(["gyro"]), parts=parts)


@pytest.fixture
def guide(tmp_path):
    """A guide's file for `parts` and so many actions."""

    def write(parts, actions=1, **spec):
        width = sum(int(np.prod(shape)) for shape in parts.values())
        networks = GuideNetworks.fresh(width, actions, (8,), key=jax.random.key(0))
        spec = {"parts": parts, "actions": actions, "limit": 5.0, "limit_steps": 20} | spec
        path = tmp_path / "guide.safetensors"
        save(path, Card("guide", spec, {"hidden": [8]}), networks)
        return path

    return write


@pytest.mark.parametrize("recipe", ["control-switch", "linear-decay", "budget-switch"])
def test_around_a_guide_from_a_file(guide, recipe):
    path = guide({"observation": [2]})
    asked = {"threshold": 0.0} if recipe == "budget-switch" else {}
    env = SafeExploration.with_guide(
        Walker(), path, recipe=recipe, limit=5.0, total_steps=10, **asked
    )
    infos = [step[-1] for step in drive(env, np.array([4.0], np.float32))]
    assert any(info["intervened"] for info in infos)
    assert not all(info["executed_action"] == 4.0 for info in infos)


def test_the_guides_actor_acts(guide):
    path = guide({"position": [1]})
    env = SafeExploration.with_guide(
        Named(), path, recipe="linear-decay", total_steps=10**9, parts=["position", "phase"]
    )
    _, arrays = load(path)
    assert {name.split(".")[0] for name in arrays} == {"actor", "critics"}
    executed = [step[-1]["executed_action"] for step in drive(env, np.ones(1, np.float32))]
    assert all(-2 <= action[0] <= 4 for action in executed) and len(np.unique(executed)) > 15


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        ({"observation": [3]}, {}, r"observes observation \(3,\), but sees observation \(2,\)"),
        ({"observation": [2]}, {"actions": 2}, "acts with 2 numbers, an action there is 1 numbers"),
        (
            {"observation": [2]},
            {"action_bounds": {"low": [-1.0], "high": [1.0]}},
            r"from \[-1.0\] to \[1.0\], those there are from \[-2.0\] to \[4.0\]",
        ),
    ],
)
def test_guides_that_do_not_fit(guide, parts, options, message):
    with pytest.raises(HandrailError, match=message):
        SafeExploration.with_guide(Walker(), guide(parts, **options))


def test_guides_and_environments_of_other_kinds(guide):
    path = guide({"gyro": [1]})
    with pytest.raises(HandrailError, match="view needs the part 'gyro'"):
        SafeExploration.with_guide(Named(), path, parts=["position"])
    renamed = View.rename({"gyro": "position"})
    SafeExploration.with_guide(Named(), path, parts=["position"], view=renamed)
    with pytest.raises(HandrailError, match="one of 2 discrete actions"):
        SafeExploration.with_guide(gymnasium.make("CartPole-v1"), guide({"observation": [4]}))
    with pytest.raises(HandrailError, match="unknown recipe 'switch'"):
        SafeExploration.with_guide(Walker(), guide({"observation": [2]}), recipe="switch")
