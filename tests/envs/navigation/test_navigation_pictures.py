"""Frames and videos without a screen."""

import jax
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.navigation import drawing
from handrail.envs.navigation.compiled import CompiledNavigation
from handrail.envs.navigation.drawing import draw
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.rendering import FrameRenderer
from handrail.envs.navigation.tasks import TASKS


def pixel(scene, size, place):
    """Row and column of a place in a picture."""
    reach = drawing._MARGIN * scene.extent
    column, row = ((np.array([place[0], -place[1]]) / reach + 1) / 2 * size).astype(int)
    return row, column


def test_things_are_drawn_where_they_are():
    env = MujocoNavigation(TASKS["navigation-semi-dynamic"])
    env.reset(seed=3)
    scene = env.scene()
    picture = draw(scene, 200)
    assert picture.shape == (200, 200, 3) and picture.dtype == np.uint8
    for place, colour in (
        (scene.robot, drawing._ROBOT),
        (scene.hazards[1], drawing._HAZARD),
        (scene.vases[0], drawing._VASE),
        (scene.goal, drawing._GOAL),
        ((-1.8, 1.7), drawing._FLOOR),
        ((2.2, 0.0), drawing._OUTSIDE),
    ):
        assert tuple(picture[pixel(scene, 200, place)]) == colour


def test_compiled_scenes_are_drawn_alike():
    env = CompiledNavigation(TASKS["navigation-static"])
    state, _ = env.reset(key=jax.random.key(0))
    scene = env.scene(state)
    picture = draw(scene, 100)
    assert tuple(picture[pixel(scene, 100, (0, 0))]) == drawing._HAZARD
    assert tuple(picture[pixel(scene, 100, scene.robot)]) == drawing._ROBOT
    assert env.scene(state).vases.shape == (0, 2)


@pytest.mark.filterwarnings("ignore")  # what graphics libraries say about themselves
def test_mujoco_renders_hazards_and_goal():
    env = MujocoNavigation(TASKS["navigation-static"], render_mode="rgb_array")
    env.reset(seed=0)
    try:
        renderer = FrameRenderer(env, size=120)
    except HandrailError as error:
        assert "MUJOCO_GL" in str(error)
        pytest.skip("no graphics library here that renders without a screen")
    frame = renderer().astype(int)
    renderer.close()
    assert frame.shape == (120, 120, 3)
    red, green, blue = frame[60, 60]  # the hazard lies in the middle
    assert blue > red + 40 and blue > green + 40
    assert (frame[..., 1] > frame[..., 0] + 40).any()  # the goal


def test_mistakes():
    env = MujocoNavigation(TASKS["navigation-static"])
    with pytest.raises(HandrailError, match="'above' or 'behind'"):
        FrameRenderer(env, camera="top")
    with pytest.raises(HandrailError, match="16 to 1280"):
        FrameRenderer(env, size=4000)
    with pytest.raises(HandrailError, match="no episode has begun"):
        env.scene()
    env.reset(seed=0)
    with pytest.raises(HandrailError, match="at least 16"):
        draw(env.scene(), 3)
