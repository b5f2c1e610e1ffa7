"""A step of CPO: the constrained step by conjugate gradients, then a backtracking line search."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from handrail.equations.trust_region import conjugate_gradients, constrained_step

Scalar = Float[Array, ""]
Parameters = Float[Array, " n"]


class Surrogates(eqx.Module):
    """What a policy promises, judged by the batch of the old one."""

    reward: Scalar
    """mean(ρ A^r)"""
    cost: Scalar
    """mean(ρ A^c)"""
    divergence: Scalar
    """Mean KL divergence from the old policy, nats."""


class StepReport(eqx.Module):
    """What came of a step."""

    divergence: Scalar
    """Of the policy that was taken from the old one; 0 if none was."""
    accepted: Bool[Array, ""]
    """Whether one of the tries was taken."""
    tries: Scalar
    """How many there were."""
    recovers: Bool[Array, ""]
    """The step lowered the cost alone."""


class TrustRegion(eqx.Module):
    """How far a step may go, and how it is found.

    Attributes:
        radius: δ, the greatest mean KL divergence of a step, nats.
        damping: of the Fisher matrix: H + damping · 1.
        iterations: of conjugate gradients.
        tries: of the line search.
        shrink: what the step is multiplied by after each of them.
    """

    radius: float = eqx.field(default=0.01, static=True)
    damping: float = eqx.field(default=0.1, static=True)
    iterations: int = eqx.field(default=10, static=True)
    tries: int = eqx.field(default=10, static=True)
    shrink: float = eqx.field(default=0.8, static=True)

    def step(
        self, judge: Callable[[Parameters], Surrogates], parameters: Parameters, excess: Scalar
    ) -> tuple[Parameters, StepReport]:
        """The next parameters: a step from these, or these where the line search takes none.

        `excess` is the old policy's cost above its limit, in the units of `Surrogates.cost`. A try
        is taken if it stays in the region, if its cost rises by no more than there is room, and,
        where the limit is kept, if its reward does not fall.
        """
        old = judge(parameters)
        reward = jax.grad(lambda at: judge(at).reward)(parameters)
        cost = jax.grad(lambda at: judge(at).cost)(parameters)
        _, curvature = jax.linearize(jax.grad(lambda at: judge(at).divergence), parameters)

        def product(vector: Parameters) -> Parameters:
            return curvature(vector) + self.damping * vector

        towards, against = (
            conjugate_gradients(product, gradient, iterations=self.iterations)
            for gradient in (reward, cost)
        )
        # with what H makes of them, so that the step has the length it should if they are inexact
        image, other = product(towards), product(against)
        found = constrained_step(
            towards @ image, against @ image, against @ other, excess, self.radius
        )
        whole = found.reward * towards + found.cost * against
        room = jnp.maximum(-excess, 0.0)

        def fits(new: Surrogates) -> Bool[Array, ""]:
            keeps = (new.divergence <= self.radius) & (new.cost - old.cost <= room)
            return keeps & ((excess >= 0) | (new.reward >= old.reward))

        def another(carry):
            tries, length, *_ = carry
            new = judge(parameters + length * whole)
            return tries + 1, length * self.shrink, fits(new), new.divergence

        tries, length, accepted, divergence = jax.lax.while_loop(
            lambda carry: ~carry[2] & (carry[0] < self.tries),
            another,
            (jnp.int32(0), jnp.ones_like(excess), jnp.array(False), jnp.zeros_like(excess)),
        )
        taken = jnp.where(accepted, length / self.shrink, 0.0)
        report = StepReport(
            jnp.where(accepted, divergence, 0.0), accepted, tries.astype(excess.dtype),
            found.recovers,
        )  # fmt: skip
        return parameters + jnp.where(taken > 0, taken * whole, 0.0), report
