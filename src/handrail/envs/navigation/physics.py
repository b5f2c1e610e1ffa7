"""Robots that are heavier, more damped or stronger than they were: drawn anew at each episode."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

FACTORS = ("mass", "damping", "gain")
"""What is multiplied: the robot's density, the damping of its joints, its motors' force or torque
after they saturate."""


class PhysicsRange(eqx.Module):
    """Factors between which mass, damping and gain are drawn, uniformly and each by itself.

    They are arrays, so that one compiled program serves every range.
    """

    low: Float[Array, "3"]  # in the order of `FACTORS`; 1 is nominal
    high: Float[Array, "3"]

    @staticmethod
    def at(mass: float = 1.0, damping: float = 1.0, gain: float = 1.0) -> "PhysicsRange":
        """The same factors in every episode."""
        factors = jnp.array([mass, damping, gain], jnp.float32)
        return PhysicsRange(factors, factors)

    @staticmethod
    def around(mass: float = 0.0, damping: float = 0.0, gain: float = 0.0) -> "PhysicsRange | None":
        """From 1 - x to 1 + x for each of these x in [0, 1); None where all are 0."""
        if not (mass or damping or gain):
            return None
        spread = jnp.array([mass, damping, gain], jnp.float32)
        return PhysicsRange(1 - spread, 1 + spread)

    def draw(self, key: Key[Array, ""]) -> Float[Array, "3"]:
        """The factors of an episode, in the order of `FACTORS`."""
        return self.low + jax.random.uniform(key, (len(FACTORS),)) * (self.high - self.low)
