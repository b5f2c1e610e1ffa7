"""The point robot as a planar rigid body: what MuJoCo computes for it, in closed form.

Nothing touches the robot, so three degrees of freedom are left: its origin (x, y) and its
heading. Each is damped; one motor pushes along the body's x axis, another turns it towards a
wanted turn rate. Both saturate. MuJoCo's Euler step is implicit in the damping alone, so the
turning motor, whose own damping is stiff, overshoots at every substep: the turn rate chatters
around its mean and is chaotic. Compare single steps with it, or distributions, never trajectories.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

TIMESTEP = 0.002  # s
SUBSTEPS = 10

_SPHERE = 4 / 3 * math.pi * 0.1**3  # kg: radius 0.1 m, density 1
_BOX = 0.1**3  # kg: edges of 0.1 m
_NOSE = 0.1  # the box lies this far ahead of the origin (m)
MASS = _SPHERE + _BOX
LEVER = _BOX * _NOSE  # mass × distance of the centre of mass from the origin (kg m)
INERTIA = _SPHERE * 0.4 * 0.1**2 + _BOX * (0.1**2 / 6 + _NOSE**2)  # about the origin (kg m²)
DRAG = 0.01  # N s/m
TURN_DRAG = 0.005  # N m s/rad
GEAR = 0.3
SATURATION = 0.05  # of each motor, before its gear
GRAVITY = 9.81


class Physics(eqx.Module):
    """The robot's constants: Python's numbers (`NOMINAL`), or arrays where they vary."""

    mass: Any = MASS  # kg
    lever: Any = LEVER  # kg m
    inertia: Any = INERTIA  # about the origin, kg m²
    drag: Any = DRAG  # N s/m
    turn_drag: Any = TURN_DRAG  # N m s/rad
    strength: Any = GEAR  # what a motor's output is multiplied by

    @staticmethod
    def scaled(mass: Any, damping: Any, gain: Any) -> "Physics":
        """A robot of `mass` times the density, `damping` times the drag (of both kinds), whose
        motors are `gain` times as strong after they saturate.
        """
        return Physics(
            MASS * mass, LEVER * mass, INERTIA * mass, DRAG * damping, TURN_DRAG * damping,
            GEAR * gain,
        )  # fmt: skip


NOMINAL = Physics()


class Body(eqx.Module):
    """Where the robot is and how it moves, in the world's frame (m, rad, m/s, rad/s)."""

    position: Float[Array, "2"]
    heading: Float[Array, ""]
    velocity: Float[Array, "2"]  # of the origin, not of the centre of mass
    turn_rate: Float[Array, ""]


def _accelerations(ahead, left, turn_rate, action, physics: Physics, mass, inertia):
    """Of the origin, along the body's axes, and of the heading.

    `mass` and `inertia` multiply the accelerations: the body's own, or with the implicit
    damping's share added. Solves [[mass, 0, 0], [0, mass, lever], [0, lever, inertia]].
    """
    lever, drag, strength = physics.lever, physics.drag, physics.strength
    push = strength * jnp.clip(action[0], -SATURATION, SATURATION)
    torque = strength * jnp.clip(action[1] - GEAR * turn_rate, -SATURATION, SATURATION)
    force_ahead = push - drag * ahead + lever * turn_rate**2
    force_left = -drag * left
    torque = torque - physics.turn_drag * turn_rate
    turn = (torque - lever / mass * force_left) / (inertia - lever**2 / mass)
    return force_ahead / mass, (force_left - lever * turn) / mass, turn


def _turned(vector: Float[Array, "2"], cos: Array, sin: Array) -> Float[Array, "2"]:
    return jnp.stack([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1]])


def to_body(body: Body, vector: Float[Array, "2"]) -> Float[Array, "2"]:
    """A world vector along the body's axes."""
    return _turned(vector, jnp.cos(body.heading), -jnp.sin(body.heading))


def _substep(body: Body, action: Float[Array, "2"], physics: Physics) -> Body:
    cos, sin = jnp.cos(body.heading), jnp.sin(body.heading)
    ahead, left = _turned(body.velocity, cos, -sin)
    mass = physics.mass + TIMESTEP * physics.drag
    inertia = physics.inertia + TIMESTEP * physics.turn_drag
    *linear, turn = _accelerations(ahead, left, body.turn_rate, action, physics, mass, inertia)
    velocity = body.velocity + TIMESTEP * _turned(jnp.stack(linear), cos, sin)
    turn_rate = body.turn_rate + TIMESTEP * turn
    return Body(
        body.position + TIMESTEP * velocity,
        body.heading + TIMESTEP * turn_rate,
        velocity,
        turn_rate,
    )


def advance(body: Body, action: Float[Array, "2"], physics: Physics = NOMINAL) -> Body:
    """One environment step (0.02 s). The action is clipped to [-1, 1]."""
    action = jnp.clip(action, -1.0, 1.0)
    body, _ = jax.lax.scan(
        lambda body, _: (_substep(body, action, physics), None), body, length=SUBSTEPS, unroll=True
    )
    heading = body.heading - 2 * jnp.pi * jnp.round(body.heading / (2 * jnp.pi))
    return eqx.tree_at(lambda b: b.heading, body, heading)  # small angles keep float32 exact


def sensors(
    body: Body, action: Float[Array, "2"], physics: Physics = NOMINAL
) -> dict[str, Float[Array, "3"]]:
    """Accelerometer (m/s², gravity's reaction included), gyro, magnetometer, velocimeter.

    `action` is the last one: accelerations are felt before damping is treated implicitly.
    """
    ahead, left = to_body(body, body.velocity)
    zero = jnp.zeros_like(ahead)
    action = jnp.clip(action, -1.0, 1.0)
    *linear, _ = _accelerations(
        ahead, left, body.turn_rate, action, physics, physics.mass, physics.inertia
    )
    north = 0.5 * jnp.stack([-jnp.sin(body.heading), -jnp.cos(body.heading)])
    return {
        "accelerometer": jnp.stack([*linear, jnp.full_like(zero, GRAVITY)]),
        "gyro": jnp.stack([zero, zero, body.turn_rate]),
        "magnetometer": jnp.stack([*north, zero]),
        "velocimeter": jnp.stack([ahead, left, zero]),
    }
