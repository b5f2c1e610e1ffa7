"""The compiled environment: resets, steps, layouts, refusals."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.errors import HandrailError, UnknownName
from handrail.envs import registry
from handrail.envs.lava import pool
from handrail.envs.lava.source import NAMES as LAVA_NAMES
from tests.envs.lava import dynamic_programming as dp
from tests.envs.lava.real import pose, put, real_environment, without_partial_view

KEY = jax.random.key(0)
LENGTH = 48
FAMILIES = (("LavaCrossingS9N3", 789), ("LavaGapS6", 2), ("DistShift2", 0), ("Empty-5x5", 0))
COMPILED = {}


def compiled(name, seed):
    """A jitted scan of steps from a given state, and the real environment beside it."""
    if name not in COMPILED:
        env = registry.make(name, layout=seed, starts="anywhere")

        @jax.jit
        def scan(state, actions):
            return jax.lax.scan(lambda s, a: env.step(s, a, key=KEY), state, actions)[1]

        COMPILED[name] = env, scan, without_partial_view(real_environment(name, seed))
    return COMPILED[name]


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(FAMILIES),
    seed=st.integers(0, 2**31 - 1),
    actions=st.lists(
        st.sampled_from([0, 1, 2, 2, 2, 3, 4, 5, 6]), min_size=LENGTH, max_size=LENGTH
    ),
    used=st.integers(0, 400),
)
def test_compiled_steps_equal_the_real_environment(family, seed, actions, used):
    env, scan, real = compiled(*family)
    state, row = env.reset(key=jax.random.key(seed))
    used = min(used, env.episode_length - 1)  # begin late in an episode, too
    state = type(state)(state.row, jnp.int32(used))
    put(real, env.world.pose_of_row[int(row)], used)
    ours = jax.tree.map(np.asarray, scan(state, jnp.asarray(actions)))
    for i, action in enumerate(actions):
        _, reward, terminated, truncated, _ = real.step(action)
        assert tuple(env.world.pose_of_row[ours.observation[i]]) == pose(real)
        assert ours.reward[i] == np.float32(reward)
        assert (ours.terminated[i], ours.truncated[i]) == (terminated, truncated)
        assert ours.cost[i] == (terminated and reward == 0)
        if terminated or truncated:
            break


def test_lava_costs_one_and_ends_the_episode():
    env = registry.make("LavaCrossingS9N1", starts="anywhere")
    for row in np.flatnonzero(env.lava_ahead)[::5]:
        state, _ = env.reset(key=KEY)
        state = type(state)(jnp.int32(row), state.steps)
        np.testing.assert_array_equal(env.unsafe_actions(state), np.arange(7) == 2)
        after, timestep = env.step(state, jnp.int32(2), key=KEY)
        assert (timestep.cost, timestep.reward, timestep.terminated) == (1, 0, True)
        assert after.row >= env.observations.live


def test_a_pool_excludes_held_out_layouts_and_reports_its_size():
    target = registry.make("LavaCrossingS9N1", layout=123)
    everything = registry.make("LavaCrossingS9N1", layout=pool(64))
    assert len(everything.grids) == 42  # three places for a river, seven for its ford, twice
    distinct = {grid.tobytes() for grid in everything.grids}
    assert len(distinct) == 42
    assert target.grids[0].tobytes() in distinct
    ways = ([123], [("LavaCrossingS9N1", 123)], target.grids, [target.grids], [target.grids[0]])
    for exclude in ways:
        rest = registry.make("LavaCrossingS9N1", layout=pool(64, exclude=exclude))
        assert len(rest.grids) == 41
        assert target.grids[0].tobytes() not in {grid.tobytes() for grid in rest.grids}


def test_a_reset_draws_layouts_and_starts_uniformly():
    env = registry.make("LavaCrossingS9N2", layout=pool(4, seed=10))
    rows = jax.vmap(lambda key: env.reset(key=key)[1])(jax.random.split(KEY, 2000))
    counts = np.bincount(env.layout_of_row[rows], minlength=4)
    assert counts.min() > 400
    assert (env.world.pose_of_row[rows] == (1, 1, 0)).all()


def test_random_starts_are_collected_or_taken_anywhere():
    one = registry.make("Empty-Random-5x5", layout=7)
    real = real_environment("Empty-Random-5x5", 7)
    assert tuple(one.world.pose_of_row[one.start_rows[0, 0]]) == pose(real)
    many = registry.make("Empty-Random-5x5", layout=pool(3))
    assert len(many.grids) == 1
    assert many.start_counts[0] == many.observations.live == 32
    anywhere = registry.make("Empty-Random-5x5", starts="anywhere")
    rows = jax.vmap(lambda key: anywhere.reset(key=key)[1])(jax.random.split(KEY, 2000))
    assert set(np.asarray(rows).tolist()) == set(range(32))


def test_short_and_full_names_are_the_same():
    short = registry.make("LavaGapS5", layout=3)
    full = registry.make("MiniGrid-LavaGapS5-v0", layout=3)
    np.testing.assert_array_equal(short.observations.frames, full.observations.frames)
    assert short.world.name == full.world.name == "LavaGapS5"


@pytest.mark.filterwarnings("ignore:.*out of date")
def test_names_are_exactly_what_the_package_offers():
    import gymnasium

    supported = set()
    for name in gymnasium.registry:
        if name.startswith("MiniGrid-") and "-WFC-" not in name:  # those need further packages
            try:
                supported.add(registry.make(name).world.name)
            except HandrailError as refusal:
                assert " has a " in str(refusal)
    assert supported == set(LAVA_NAMES)


def test_starting_anywhere_leaves_out_rooms_without_a_door():
    env = registry.make("LavaCrossingS9N3", layout=pool(30), starts="anywhere")
    steps = dp.distances(env)
    solvable = np.flatnonzero(steps > 0)
    assert len(solvable) < env.observations.live  # there are such rooms
    np.testing.assert_array_equal(np.sort(np.concatenate(dp.starts(env))), solvable)


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("DoorKey-5x5", {}, HandrailError, "'DoorKey-5x5' has a door|'DoorKey-5x5' has a key"),
        ("Dynamic-Obstacles-5x5", {}, HandrailError, "has a ball in its grid"),
        ("LavaCrosingS9N1", {}, UnknownName, "did you mean 'LavaCrossingS9N1'"),
        ("CartPole-v1", {}, HandrailError, "not a MiniGrid"),
        ("LavaGapS5", {"observation": "pixel"}, UnknownName, "did you mean 'pixels'"),
        ("LavaGapS5", {"starts": "nowhere"}, UnknownName, "anywhere, seed"),
        ("LavaGapS5", {"seed": 3}, HandrailError, "no option 'seed'; its options are observation"),
        ("LavaGapS5", {"layout": True}, HandrailError, "expected a seed, fixed"),
        ("LavaGapS5", {"layout": pool(0)}, HandrailError, "at least 1"),
        ("Empty-5x5", {"layout": pool(2, exclude=[0])}, HandrailError, "excluded from the pool"),
        ("LavaGapS5", {"layout": pool(2, exclude=["a"])}, HandrailError, "exclude holds 'a'"),
        ("LavaGapS5", {"lava_color": "blue"}, HandrailError, "needs observation='pixels'"),
        (
            "LavaGapS5",
            {"lava_color": "bluish", "observation": "pixels"},
            HandrailError,
            "lava_color is 'bluish'; expected one of blue",
        ),
        (
            "FourRooms",
            {"layout": pool(500), "observation": "pixels"},
            HandrailError,
            "GiB; ask for a smaller pool",
        ),
    ],
)
def test_refusals(name, options, error, said):
    with pytest.raises(error, match=said):
        registry.make(name, **options)


def test_importing_the_registry_leaves_minigrid_alone():
    code = (
        "import sys, handrail.envs.registry; "
        "sys.exit(not {'minigrid', 'gymnasium', 'pygame'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
