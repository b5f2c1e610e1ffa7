"""MuJoCo models of the robots and vases, written in code.

Hazards and the goal never collide, so they are no part of the physics: the engine keeps their
places, and the renderer draws them. Needs the package `mujoco` (3.0 or newer), imported late.
"""

import dataclasses
from typing import Any

import numpy as np

from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation.tasks import NavigationTask

ROBOT_HEIGHT = 0.1  # of the robot's origin (m)
VASE_SINK = 4e-5  # vases begin this deep in the floor, so that they rest at once (m)

_COLOR = {"robot": ".7 .12 .12 1", "wheel": ".25 .25 .25 1", "vase": ".1 .65 .75 1"}

_POINT = f"""
  <body name="robot" pos="0 0 {ROBOT_HEIGHT}">
    <camera name="behind" pos="0 -3 3" xyaxes="1 0 0 0 .7071 .7071"/>
    <joint name="x" type="slide" axis="1 0 0" damping=".01"/>
    <joint name="y" type="slide" axis="0 1 0" damping=".01"/>
    <joint name="yaw" type="hinge" axis="0 0 1" damping=".005"/>
    <geom name="robot_body" type="sphere" size=".1" friction="1 .01 .01" rgba="{_COLOR["robot"]}"/>
    <geom name="robot_nose" type="box" pos=".1 0 0" size=".05 .05 .05" rgba="{_COLOR["wheel"]}"/>
    <site name="robot"/>
  </body>
"""
_POINT_ACTUATORS = """
  <motor site="robot" gear=".3 0 0 0 0 0"/>
  <velocity joint="yaw" gear=".3" kv="1"/>
"""


def _box(name: str, pos: str, size: str) -> str:
    return (
        f'<geom name="robot_{name}" type="box" pos="{pos}" size="{size}" rgba="{_COLOR["robot"]}"/>'
    )


def _wheel(name: str, x: str, shift: str) -> str:
    return f"""
    <body name="{name}" pos="{x} .1 -.05">
      <joint name="{name}" type="hinge" axis="1 0 0"/>
      <geom name="robot_{name}" type="cylinder" pos="{shift} 0 0" size=".05 .025" zaxis="-1 0 0"
            rgba="{_COLOR["wheel"]}"/>
    </body>"""


_CAR = f"""
  <body name="robot" pos="0 0 {ROBOT_HEIGHT}">
    <camera name="behind" pos="0 -3 3" xyaxes="1 0 0 0 .7071 .7071"/>
    <freejoint/>
    {_box("body", "0 0 0", ".1 .1 .05")}
    {_box("back_bumper", "0 .15 0", ".1 .01 .05")}
    {_box("back_connector", "0 .125 0", ".01 .025 .03")}
    {_box("front_bumper", "0 -.165 0", ".05 .01 .05")}
    {_box("front_connector", "0 -.13 .04", ".05 .03 .01")}
    <site name="robot"/>
    {_wheel("left", "-.1", "-.03")}
    {_wheel("right", ".1", ".03")}
    <body name="rear" pos="0 -.1 -.05">
      <joint name="rear" type="ball"/>
      <geom name="robot_rear" type="sphere" size=".05" rgba="{_COLOR["wheel"]}"/>
    </body>
  </body>
"""
_CAR_ACTUATORS = """
  <motor joint="left"/>
  <motor joint="right"/>
"""
_REAR_SENSORS = """
  <ballangvel name="ballangvel_rear" joint="rear"/>
  <ballquat name="ballquat_rear" joint="rear"/>
"""
_HEAD = {
    "point": (_POINT, _POINT_ACTUATORS, "", 1, 0, 0.05),
    "car": (_CAR, _CAR_ACTUATORS, _REAR_SENSORS, 5, 0.001, 0.02),
}


def vase_xml(name: str, half: float) -> str:
    """A vase of this half edge (m), at the origin."""
    return f"""
  <body name="{name}" pos="0 0 {half - VASE_SINK}">
    <freejoint/>
    <geom name="{name}" type="box" size="{half} {half} {half}" density=".001"
          rgba="{_COLOR["vase"]}"/>
  </body>"""


def model_xml(task: NavigationTask) -> str:
    """The MJCF of a task, with robot and vases at the origin; a reset moves them."""
    vases = "".join(vase_xml(f"vase{index}", task.vases.size) for index in range(task.vases.count))
    return world_xml(task.name, task.robot, task.timestep, task.extent, vases)


def world_xml(
    name: str, robot_name: str, timestep: float, extent: float, bodies: str, equality: str = ""
) -> str:
    """The MJCF of a robot on a floor, among bodies; `extent` in m, `timestep` in s."""
    robot, actuators, sensors, density, damping, force = _HEAD[robot_name]
    return f"""
<mujoco model="{name}">
  <option timestep="{timestep}"/>
  <default>
    <geom condim="6" density="{density}"/>
    <joint damping="{damping}"/>
    <motor forcelimited="true" forcerange="-{force} {force}"
           ctrllimited="true" ctrlrange="-1 1"/>
    <velocity forcelimited="true" forcerange="-{force} {force}"
              ctrllimited="true" ctrlrange="-1 1"/>
  </default>
  <visual>
    <global offwidth="1280" offheight="1280"/>
    <headlight ambient=".45 .45 .45" diffuse=".2 .2 .2" specular="0 0 0"/>
  </visual>
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1=".95 .97 1" rgb2=".6 .7 .8"
             width="64" height="64"/>
    <texture name="floor" type="2d" builtin="checker" rgb1=".87 .89 .9" rgb2=".8 .82 .84"
             width="64" height="64"/>
    <material name="floor" texture="floor" texrepeat="7 7"/>
  </asset>
  <worldbody>
    <light directional="true" pos="0 0 4" dir=".2 .1 -1" diffuse=".45 .45 .45" specular="0 0 0"/>
    <camera name="above" pos="0 0 {3.2 * extent}"/>
    <geom name="floor" type="plane" size="3.5 3.5 .1" material="floor"/>
    {robot}{bodies}
  </worldbody>
  <equality>{equality}</equality>
  <actuator>{actuators}</actuator>
  <sensor>
    <accelerometer name="accelerometer" site="robot"/>
    {sensors}
    <gyro name="gyro" site="robot"/>
    <magnetometer name="magnetometer" site="robot"/>
    <velocimeter name="velocimeter" site="robot"/>
  </sensor>
</mujoco>"""


def build_model(task: NavigationTask) -> Any:
    """A compiled `mujoco.MjModel`."""
    return import_mujoco().MjModel.from_xml_string(model_xml(task))


@dataclasses.dataclass(frozen=True)
class Robot:
    """The nominal numbers of a model's robot, of which changed physics are multiples."""

    bodies: np.ndarray
    """Ids of its bodies."""
    mass: np.ndarray
    """Of each of them, kg."""
    inertia: np.ndarray
    """Of each of them, kg m²."""
    damping: np.ndarray
    """Of all degrees of freedom; those of vases are not damped."""
    gain: np.ndarray
    """Of the actuators, and what depends on it."""
    bias: np.ndarray
    force: np.ndarray

    @staticmethod
    def of(model: Any) -> "Robot":
        """That of a model, which must be as it was built."""
        root = model.body("robot").id
        bodies = np.flatnonzero(model.body_rootid == root)
        return Robot(
            bodies, model.body_mass[bodies].copy(), model.body_inertia[bodies].copy(),
            model.dof_damping.copy(), model.actuator_gainprm.copy(),
            model.actuator_biasprm.copy(), model.actuator_forcerange.copy(),
        )  # fmt: skip

    def scale(self, model: Any, mass: float, damping: float, gain: float) -> None:
        """Gives the robot of `model` so many times its mass (as by density), damping, and force of
        every actuator after it saturates. Simulate from a reset on, after `mj_setConst`.
        """
        model.body_mass[self.bodies] = mass * self.mass
        model.body_inertia[self.bodies] = mass * self.inertia
        model.dof_damping[:] = damping * self.damping
        model.actuator_gainprm[:] = gain * self.gain
        model.actuator_biasprm[:] = gain * self.bias
        model.actuator_forcerange[:] = gain * self.force
