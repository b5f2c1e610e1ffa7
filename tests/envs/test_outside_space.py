"""Observations outside the space that an environment declares are said, once."""

import gymnasium
import jax
import numpy as np
import pytest

from handrail.api.students import train_student
from handrail.envs.gymnasium.building import build_host, built_twice
from handrail.envs.gymnasium.outside import EVERY, FIRST, OutsideWatch
from handrail.envs.gymnasium.spaces import ObservationCodec
from handrail.methods.sagui.settings import SacSettings
from tests.envs.toys import Walker

SPACE = gymnasium.spaces.Dict(
    place=gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64),
    flags=gymnasium.spaces.MultiBinary(2),
    phase=gymnasium.spaces.Discrete(3),
    image=gymnasium.spaces.Box(0, 200, (32, 32, 3), np.uint8),
    free=gymnasium.spaces.Box(-np.inf, np.inf, (1,)),
)
FINE = {
    "place": np.array([1.0, -1.0], np.float32),
    "flags": np.array([0.0, 1.0], np.float32),
    "phase": np.eye(3, dtype=np.float32)[0],
    "image": np.zeros((32, 32, 3), np.uint8),
    "free": np.array([1e9], np.float32),
}


class Beyond(Walker, gymnasium.Env):
    """Its second number goes up to 2, where the space says 1."""

    def observation(self):
        return 2 * Walker.observation(self)


def shown(observations, space=SPACE):
    watch = OutsideWatch("Toy", ObservationCodec(space))
    for observation in observations:
        watch(observation)


def test_what_is_within_its_space_is_not_mentioned(caplog):
    shown([FINE] * 10)
    tenth = np.full(1, 0.1)  # 0.1 as float32 is more than 0.1: no reason for a warning
    shown([tenth.astype(np.float32)], gymnasium.spaces.Box(-0.1, 0.1, (1,), np.float64))
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("place", [0.0, 1.5], ["Toy", "part 'place'", "is 1.5 at [1]", "from -1 to 1", "clip"]),
        ("flags", [2.0, 0.0], ["part 'flags'", "is 2 at [0]", "from 0 to 1"]),
    ],
)
def test_a_part_outside_its_space_is_named_once(caplog, part, value, says):
    shown([FINE, *[FINE | {part: np.array(value, np.float32)}] * 3])
    (message,) = caplog.messages
    assert all(text in message for text in says), message


def test_later_on_one_observation_in_many_is_looked_at(caplog):
    wrong = FINE | {"place": np.array([7.0, 0.0], np.float32)}
    late = [FINE] * (2 * FIRST)
    shown([*late[: FIRST + 1], *[wrong] * (EVERY - 2)])
    assert caplog.messages == []
    shown([*late[: FIRST + 1], *[wrong] * (EVERY - 1)])
    assert len(caplog.messages) == 1


def test_of_several_side_by_side_all_are_watched_together(caplog):
    made = iter([Walker, Beyond])

    def two():
        kinds = [type("Env", (kind, gymnasium.Env), {}) for kind in made]
        return gymnasium.vector.SyncVectorEnv(kinds)

    host = build_host(two, watched=True, cost=lambda *step: 0.0)
    keys = jax.random.split(jax.random.key(0), 2)
    host.reset(np.ones(2, bool), keys=keys)
    for _ in range(15):
        host.step(np.zeros((2, 1), np.float32), keys=keys)
    assert len([text for text in caplog.messages if "outside its space" in text]) == 1


def test_tests_do_not_say_it_again(caplog):
    for host in built_twice(Beyond, warn_of_scales=True):
        host.reset(key=jax.random.key(0))
        for _ in range(15):
            host.step(np.zeros(1, np.float32), key=jax.random.key(0))
    assert len(caplog.messages) == 1


def test_training_says_it(tmp_path, caplog):
    learning = SacSettings(hidden=(4,), batch=4, train_every=20, updates=1, learning_starts=20)
    summary = train_student(
        Beyond, None, tmp_path, method="sac-lagrangian", limit=5.0, episode_length=20, steps=40,
        epoch=20, evaluation_episodes=1, learning=learning,
    )  # fmt: skip
    assert summary
    (message,) = [text for text in caplog.messages if "outside its space" in text]
    assert "Beyond" in message and "from -1 to 1" in message
