"""The point robot as a planar rigid body: what MuJoCo computes for it, in closed form.

Nothing touches the robot, so three degrees of freedom are left: its origin (x, y) and its
heading. Each is damped; one motor pushes along the body's x axis, another turns it towards a
wanted turn rate. Both saturate. MuJoCo's Euler step is implicit in the damping alone, so the
turning motor, whose own damping is stiff, overshoots at every substep: the turn rate chatters
around its mean and is chaotic. Compare single steps with it, or distributions, never trajectories.
"""

import math

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


class Body(eqx.Module):
    """Where the robot is and how it moves, in the world's frame (m, rad, m/s, rad/s)."""

    position: Float[Array, "2"]
    heading: Float[Array, ""]
    velocity: Float[Array, "2"]  # of the origin, not of the centre of mass
    turn_rate: Float[Array, ""]


def _accelerations(ahead, left, turn_rate, action, mass, inertia):
    """Of the origin, along the body's axes, and of the heading.

    `mass` and `inertia` multiply the accelerations: the body's own, or with the implicit
    damping's share added. Solves [[mass, 0, 0], [0, mass, lever], [0, lever, inertia]].
    """
    push = GEAR * jnp.clip(action[0], -SATURATION, SATURATION)
    torque = GEAR * jnp.clip(action[1] - GEAR * turn_rate, -SATURATION, SATURATION)
    force_ahead = push - DRAG * ahead + LEVER * turn_rate**2
    force_left = -DRAG * left
    torque = torque - TURN_DRAG * turn_rate
    turn = (torque - LEVER / mass * force_left) / (inertia - LEVER**2 / mass)
    return force_ahead / mass, (force_left - LEVER * turn) / mass, turn


def _turned(vector: Float[Array, "2"], cos: Array, sin: Array) -> Float[Array, "2"]:
    return jnp.stack([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1]])


def to_body(body: Body, vector: Float[Array, "2"]) -> Float[Array, "2"]:
    """A world vector along the body's axes."""
    return _turned(vector, jnp.cos(body.heading), -jnp.sin(body.heading))


def _substep(body: Body, action: Float[Array, "2"]) -> Body:
    cos, sin = jnp.cos(body.heading), jnp.sin(body.heading)
    ahead, left = _turned(body.velocity, cos, -sin)
    mass, inertia = MASS + TIMESTEP * DRAG, INERTIA + TIMESTEP * TURN_DRAG
    *linear, turn = _accelerations(ahead, left, body.turn_rate, action, mass, inertia)
    velocity = body.velocity + TIMESTEP * _turned(jnp.stack(linear), cos, sin)
    turn_rate = body.turn_rate + TIMESTEP * turn
    return Body(
        body.position + TIMESTEP * velocity,
        body.heading + TIMESTEP * turn_rate,
        velocity,
        turn_rate,
    )


def advance(body: Body, action: Float[Array, "2"]) -> Body:
    """One environment step (0.02 s). The action is clipped to [-1, 1]."""
    action = jnp.clip(action, -1.0, 1.0)
    body, _ = jax.lax.scan(
        lambda body, _: (_substep(body, action), None), body, length=SUBSTEPS, unroll=True
    )
    heading = body.heading - 2 * jnp.pi * jnp.round(body.heading / (2 * jnp.pi))
    return eqx.tree_at(lambda b: b.heading, body, heading)  # small angles keep float32 exact


def sensors(body: Body, action: Float[Array, "2"]) -> dict[str, Float[Array, "3"]]:
    """Accelerometer (m/s², gravity's reaction included), gyro, magnetometer, velocimeter.

    `action` is the last one: accelerations are felt before damping is treated implicitly.
    """
    ahead, left = to_body(body, body.velocity)
    zero = jnp.zeros_like(ahead)
    action = jnp.clip(action, -1.0, 1.0)
    *linear, _ = _accelerations(ahead, left, body.turn_rate, action, MASS, INERTIA)
    north = 0.5 * jnp.stack([-jnp.sin(body.heading), -jnp.cos(body.heading)])
    return {
        "accelerometer": jnp.stack([*linear, jnp.full_like(zero, GRAVITY)]),
        "gyro": jnp.stack([zero, zero, body.turn_rate]),
        "magnetometer": jnp.stack([*north, zero]),
        "velocimeter": jnp.stack([ahead, left, zero]),
    }
