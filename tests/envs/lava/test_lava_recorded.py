"""Layouts, images, trajectories and safety labels recorded from the published experiments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.envs import registry
from handrail.envs.lava.environment import LavaState
from handrail.envs.lava.rendering import render
from handrail.envs.lava.resize import enlarging_taps, resize
from tests.envs.lava.real import real_environment, recorded

KEY = jax.random.key(0)


def cases(data):
    for case in sorted({key.split("/")[0] for key in data if key.startswith("N")}):
        crossings, seed = case.removeprefix("N").split("_seed")
        name = f"LavaCrossingS9N{crossings}"
        yield (
            name,
            int(seed),
            {key.split("/")[1].split("(")[0]: data[key] for key in data if key.startswith(case)},
        )


def replay(env, actions):
    """Steps through actions, compiled; the episode starts anew after its end."""

    def step(state, action):
        state, timestep = env.step(state, action, key=KEY)
        done = timestep.terminated | timestep.truncated
        start, _ = env.reset(key=KEY)
        state = jax.tree.map(lambda a, b: jnp.where(done, a, b), start, state)
        return state, (timestep, state)

    return jax.jit(lambda s, a: jax.lax.scan(step, s, a))(env.reset(key=KEY)[0], actions)[1]


@pytest.mark.parametrize("which", ["own", "oracle"])
def test_recorded_runs(which):
    for name, seed, data in cases(recorded(which)):
        env = registry.make(name, layout=seed, observation="pixels")
        np.testing.assert_array_equal(env.world.encodings[0], data["grid"])
        start = int(env.start_rows[0, 0])
        np.testing.assert_array_equal(env.world.pose_of_row[start], data["start"])

        poses = data["state"][-len(data["obs84"]) :]  # the subset keeps the last images
        images = render(env.world.encodings[0], env.grids[0], poses)
        if "raw72" in data:
            np.testing.assert_array_equal(images, data["raw72"])
        np.testing.assert_array_equal(resize(images), data["obs84"])
        row_of = {tuple(p): row for row, p in enumerate(env.world.pose_of_row.tolist())}
        rows = [row_of.get(tuple(p), -1) for p in poses.tolist()]
        for row, image in zip(rows, data["obs84"], strict=True):
            if row >= 0:  # some recorded poses on lava cannot be reached
                np.testing.assert_array_equal(env.observations.frames[row], image)

        labels = [row_of.get(tuple(p), -1) for p in data["state"].tolist()]
        for row, label in zip(labels, data["check_safety"], strict=True):
            if 0 <= row < env.observations.live:
                unsafe = env.unsafe_actions(LavaState(jnp.int32(row), jnp.int32(0)))
                np.testing.assert_array_equal(unsafe, label == 0)

        trajectory = data["random_traj"]
        timestep, state = replay(env, jnp.asarray(trajectory[:, 0], jnp.int32))
        np.testing.assert_array_equal(timestep.reward, trajectory[:, 1].astype(np.float32))
        np.testing.assert_array_equal(timestep.terminated, trajectory[:, 2])
        np.testing.assert_array_equal(timestep.truncated, trajectory[:, 3])
        np.testing.assert_array_equal(env.world.pose_of_row[state.row], trajectory[:, 4:7])
        np.testing.assert_array_equal(state.steps, trajectory[:, 7])
        deaths = (trajectory[:, 2] == 1) & (trajectory[:, 1] == 0)
        np.testing.assert_array_equal(timestep.cost, deaths)


@pytest.mark.parametrize("which", ["own", "oracle"])
def test_recorded_time_out(which):
    for name, seed, data in cases(recorded(which)):
        env = registry.make(name, layout=seed)
        steps, truncated, terminated, reward = data["timeout"]
        timestep, _ = replay(env, jnp.zeros(int(steps), jnp.int32))  # turns left all the time
        assert not timestep.truncated[:-1].any()
        assert timestep.truncated[-1] == truncated
        assert timestep.terminated[-1] == terminated
        assert timestep.reward[-1] == reward


def test_successive_layouts_without_reseeding_are_what_the_tables_would_compile():
    """The recorded layouts come from MiniGrid's own stream of resets, of the real package."""
    for name, seed, data in cases(recorded("own")):
        real = real_environment(name, seed)
        for grid in data["no_reseed_first6_object_grid"]:
            np.testing.assert_array_equal(real.grid.encode()[..., 0], grid)
            real.reset()


def test_resizing_weights_are_the_recorded_ones():
    sources, weights = enlarging_taps(72)
    dense = np.zeros((84, 72), int)
    np.add.at(dense, (np.arange(84)[:, None], sources), weights)
    np.testing.assert_array_equal(dense, recorded("own")["resize72to84_int_coef"])


def test_resizing_other_grids_as_opencv_does():
    """Recorded from OpenCV 4.x, INTER_AREA: small grids are enlarged, large ones reduced."""
    data = recorded("own")
    names = sorted({key.split("/")[1] for key in data if key.startswith("resize/")})
    assert len(names) == 7
    for name in names:
        after = resize(data[f"resize/{name}/before"])
        np.testing.assert_array_equal(after, data[f"resize/{name}/after"], err_msg=name)
