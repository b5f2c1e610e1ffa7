"""What errors propose for action spaces that agents cannot act in does work."""

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.actions import BoxCodec, ChoicesCodec, PartsCodec, action_codec

FLOAT = np.float32


class Acts(gymnasium.Env):
    """An environment of which nothing but its actions matters."""

    def __init__(self, space):
        self.action_space, self.observation_space = space, spaces.Box(-1, 1, (1,))


def proposed(space):
    """The environment with the wrapper that the error of its action space names."""
    with pytest.raises(HandrailError) as caught:
        action_codec(space)
    text = str(caught.value)
    text = text[text.index("gymnasium.wrappers.") :]
    return eval(text, {"gymnasium": gymnasium, "numpy": np, "space": space, "env": Acts(space)})


@pytest.mark.parametrize(
    ("space", "count"),
    [
        (spaces.MultiDiscrete([3, 2]), 6),
        (spaces.MultiDiscrete([[3, 2], [2, 2]]), 24),
        (spaces.MultiDiscrete([3, 2], start=[5, -1]), 6),
        (spaces.MultiBinary(4), 16),
    ],
)
def test_combinations_are_numbered(space, count):
    codec = action_codec(space)
    assert isinstance(codec, ChoicesCodec) and codec.n == count
    given = [codec.to_environment(number) for number in range(count)]
    assert all(space.contains(action) for action in given)
    assert len({action.tobytes() for action in given}) == count
    assert [int(codec.from_environment(action)) for action in given] == list(range(count))
    assert [int(codec.agent_form(jnp.asarray(action))) for action in given] == list(range(count))
    with pytest.raises(HandrailError, match="expected whole numbers of shape"):
        codec.from_environment(given[0] + 9)
    for form in (jnp.asarray, np.asarray):  # no other action is made of what is none
        for wrong in (given[0] + 9, given[0] - 1, given[-1] - 0.5):
            assert int(codec.agent_form(form(wrong))) == -1


def test_boxes_within_a_dict_or_tuple_are_one_vector():
    space = spaces.Dict(
        wheels=spaces.Tuple((spaces.Box(-2, 2, (2,)), spaces.Box(0, 1, (1, 1)))),
        gas=spaces.Box(0, 3, (1,)),
    )
    codec = action_codec(space)
    assert isinstance(codec, PartsCodec) and codec.size == 4
    flat = np.array([-1, 0.5, 1, -1], FLOAT)  # in the order of the space
    action = codec.to_environment(flat)
    assert space.contains(action)
    assert action["gas"].tolist() == [0] and action["wheels"][1].tolist() == [[1]]
    np.testing.assert_allclose(codec.from_environment(action), flat, atol=1e-6)
    np.testing.assert_allclose(codec.agent_form(action), flat, atol=1e-6)
    assert codec.bounds() == {"low": [-2, -2, 0, 0], "high": [2, 2, 1, 3]}
    with pytest.raises(HandrailError, match="is a ndarray; expected a dict with wheels, gas"):
        codec.from_environment(flat)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (2, 1)),
        spaces.Box(0, np.inf, (2,)),
        spaces.Box(FLOAT([3, -2]), FLOAT([np.inf, 5])),
        spaces.Box(-np.inf, -4.0, (2,)),
        spaces.Box(0, 10, (2,), np.int64),
    ],
)
def test_real_numbers_within_bounds(space):
    env = proposed(space)
    codec = action_codec(env.action_space)
    assert isinstance(codec, BoxCodec)
    for number in (-1.0, 0.3, 1.0):
        action = env.action(codec.to_environment(np.full(codec.size, number)))
        assert space.contains(action), action


@pytest.mark.parametrize(
    "space",
    [spaces.MultiDiscrete([100, 100]), spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1)))],
)
def test_other_spaces_need_a_wrapper_of_ones_own(space):
    with pytest.raises(HandrailError, match=r"TransformAction\(env, function, space\), where"):
        action_codec(space)


def test_a_controller_in_the_environments_units_may_move_a_locked_joint():
    codec = BoxCodec(spaces.Box(FLOAT([-2, 0.5]), FLOAT([2, 0.5])))
    np.testing.assert_array_equal(codec.agent_form(jnp.array([1.0, 0.5])), [0.5, 0])
