"""Controllers in the environment's units, ordinary Python as a guard, and what training refuses."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handrail
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import build_host
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.gymnasium.raw import refuse_guarded
from handrail.interventions.base import Intervention
from handrail.interventions.on_host import on_host
from handrail.interventions.recipes import none, shield
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import Always
from handrail.safe_exploration import SafeExploration
from handrail.train.host import HostLoop
from tests.envs.toys import Named, Walker
from tests.train.test_host_loop import sac


def always(act, **options) -> Intervention:
    return Intervention(Always(), Policy(act, **options))


def first_info(env, action):
    env.reset(seed=0)
    return env.step(action)[-1]


@pytest.mark.parametrize("torque", [0.5, 1.5, -2.0, 4.0])
def test_a_controller_in_the_environments_units(torque):
    """Walker's bounds are −2 and 4."""
    inner = Walker()
    controller = always(lambda o, key: (jnp.array([torque]), {}), units="environment")
    info = first_info(SafeExploration(inner, controller), np.zeros(1, np.float32))
    np.testing.assert_allclose(info["executed_action"], [torque], rtol=1e-6)
    np.testing.assert_allclose(inner.taken, [torque], rtol=1e-6)


def test_numbered_actions_in_the_environments_units():
    class From5(Walker):
        action_space = gymnasium.spaces.Discrete(3, start=5)

        def move(self, action):
            self.count += 1

    controller = always(lambda o, key: (jnp.int32(7), {}), units="environment")
    assert first_info(SafeExploration(From5(), controller), 5)["executed_action"] == 7


def test_an_action_beyond_the_bounds_is_refused():
    """At once where it is a constant, at its step where it is not; the units are named."""
    names = (
        r"beyond \[-1, 1\], which stand for the bounds \[-2.0\] and \[4.0\].*units='environment'"
    )
    with pytest.raises(HandrailError, match=names):
        SafeExploration(Walker(), always(lambda o, key: (jnp.array([1.5]), {})))
    with pytest.raises(HandrailError, match=names):
        SafeExploration(
            Walker(), always(lambda o, key: (jnp.array([9.0]), {}), units="environment")
        )
    env = SafeExploration(Walker(), always(lambda o, key: (o[1:] * 20, {})))
    env.reset(seed=0)
    env.step(np.zeros(1, np.float32))
    env.step(np.zeros(1, np.float32))  # 1.0
    with pytest.raises(HandrailError, match="Walker: the action is.*" + names):
        env.step(np.zeros(1, np.float32))


def test_rounding_is_no_leaving_of_the_bounds():
    env = SafeExploration(Walker(), always(lambda o, key: (jnp.array([1.00001]), {})))
    assert first_info(env, np.zeros(1, np.float32))["executed_action"] == [4.0]


def test_units_are_one_of_two_and_have_the_spaces_shape():
    with pytest.raises(HandrailError, match="units is 'physical'; expected one of"):
        Policy(lambda o, key: (o, {}), units="physical")
    wrong = always(lambda o, key: (jnp.zeros(2), {}), units="environment")
    with pytest.raises(HandrailError, match=r"action of shape \(2,\); expected \(1,\)"):
        SafeExploration(Walker(), wrong)


def test_units_in_training_on_the_host():
    """The learner stores the action in its own units; the environment is given its own."""
    inner = Walker()
    controller = always(lambda o, key: (jnp.array([-0.5]), {}), units="environment")
    loop = HostLoop(GymnasiumHost(inner), sac(), controller, 20)
    state, *_ = loop.blocks(loop.init(key=jax.random.key(0)), 1, learn=False)
    np.testing.assert_allclose(inner.taken, [-0.5], rtol=1e-6)
    np.testing.assert_allclose(state.agent.replay.items.action[:20], -0.5)
    with pytest.raises(HandrailError, match=r"Walker, episode 0, step 1: the action is .2.0"):
        loop = HostLoop(GymnasiumHost(inner), sac(), always(lambda o, k: (2 + 0 * o[:1], {})), 20)
        loop.blocks(loop.init(key=jax.random.key(0)), 1, learn=False)


def test_ordinary_python_on_the_host():
    """The same decisions as those of the compiled functions."""

    def beyond(context):
        if abs(context.observation[0]) > 0.2:
            return True
        return False

    def brake(observation, key):
        assert isinstance(observation, np.ndarray) and key.dtype == np.uint32
        return np.clip([-float(observation[0])], -1, 1), {}

    ours = shield(
        lambda c: jnp.abs(c.observation[0]) > 0.2,
        Policy(lambda o, key: (jnp.clip(-o[:1], -1, 1), {})),
    )
    theirs = shield(on_host(beyond), Policy(on_host(brake, like=(np.zeros(1, np.float32), {}))))
    walked = []
    for guard in (ours, theirs):
        env = SafeExploration(Walker(), guard)
        env.reset(seed=0)
        walked.append([env.step(np.ones(1, np.float32))[-1] for _ in range(20)])
    flags = [info["intervened"] for info in walked[0]]
    assert 0 < sum(flags) < 20 and flags == [info["intervened"] for info in walked[1]]
    for one, two in zip(*walked, strict=True):
        np.testing.assert_allclose(one["executed_action"], two["executed_action"])


def test_what_a_function_on_the_host_does_wrong():
    def wrong(context):
        return np.zeros(2)

    env = SafeExploration(Walker(), shield(on_host(wrong), Policy(lambda o, k: (o[:1], {}))))
    env.reset(seed=0)
    with pytest.raises(HandrailError, match=r"wrong returned shape \(2,\); expected \(\)"):
        env.step(np.zeros(1, np.float32))


def test_ordinary_python_in_training_on_the_host():
    guard = shield(on_host(lambda c: bool(c.step % 2)), Policy(lambda o, k: (0.5 * o[:1], {})))
    loop = HostLoop(GymnasiumHost(Walker()), sac(), guard, 20)
    state, *_ = loop.blocks(loop.init(key=jax.random.key(0)), 1, learn=False)
    assert int(state.progress.interventions) == 10


def test_a_guarded_environment_is_not_trained_in():
    def guarded():
        return SafeExploration(gymnasium.make("Pendulum-v1"), none(), cost=lambda *_: 0.0)

    def monitored():
        return gymnasium.wrappers.RecordEpisodeStatistics(guarded())

    def several():
        return gymnasium.vector.SyncVectorEnv([guarded] * 2)

    for make in (guarded, monitored, several, lambda: SafeExploration(Walker(), none())):
        with pytest.raises(HandrailError, match=r"guarded by a SafeExploration.*intervention="):
            build_host(make)
    refuse_guarded(gymnasium.make("Pendulum-v1"))
    refuse_guarded(Walker())
    assert "handrail_guarded" not in gymnasium.make("Pendulum-v1").metadata


def test_what_the_wrapper_knows_of_its_environment():
    env = SafeExploration(
        Walker(), none(), cost=lambda *_: {"a": 0.0, "b": 0.0}, limits={"a": 4.0, "b": 1.0}
    )
    assert env.limits == {"a": 4.0, "b": 1.0} and env.limit == 1.0 and env.episode_length is None
    env = SafeExploration(gymnasium.make("Pendulum-v1"), none(), cost=lambda *_: 0.0)
    assert env.limits == {} and env.limit is None and env.episode_length == 200


def test_public_names():
    assert handrail.on_host is on_host
    assert SafeExploration(Named(), none(), parts=["position"]).limits == {}
