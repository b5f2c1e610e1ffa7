"""A world that disturbs actions while something is learnt in it."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.core.types import Context, Decision
from handrail.interventions.base import AbstractSubstitute, Intervention, Substitution
from handrail.interventions.overruled import AbstractSecond
from handrail.interventions.triggers import Always


class TowardsCost(AbstractSubstitute):
    """The adversary: the corner of [-1, 1]ⁿ towards which the learner's own cost critic rises.

    It is the sign of the gradient of Q^c(s, a) at the proposed action; numbers on which the critic
    does not depend stay as they are proposed. The learner is asked through its snapshot
    (`SacSnapshot.cost`), as it was before the block of steps.
    """

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        cost = getattr(context.policy_snapshot, "cost", None)
        if cost is None:
            raise HandrailError(
                "an adversary asks the learner's cost critic, but this learner has none, or "
                "nothing is learnt here: disturb actions by random ones"
            )
        rise = jax.grad(lambda action: cost(context.observation, action))(context.proposed)
        corner = jnp.where(rise == 0, context.proposed, jnp.sign(rise))
        return Substitution(corner, jnp.isfinite(rise).all())


class Disturbed(AbstractSecond):
    """`first`, and a world that then executes (1 - share) · action + share · what this WHAT does.

    The disturbance belongs to the world: what is stored, learnt from and counted as an intervention
    is what `first` decided. Evidence has `disturbance`, the largest change of a number of the
    action.
    """

    own: ClassVar[str] = "disturbance"
    first: Intervention
    share: float = eqx.field(static=True)

    def joined(self, earlier: Decision, last: Decision) -> Decision:
        mixed = (1 - self.share) * earlier.action + self.share * last.action
        moved = jnp.max(jnp.abs(mixed - earlier.action))
        return dataclasses.replace(
            earlier, disturbed=mixed, evidence={**earlier.evidence, self.own: moved}
        )


def disturbed(first: Intervention, by: AbstractSubstitute, share: float) -> Disturbed:
    """`first` in a world that disturbs every action by a share of what `by` does."""
    return Disturbed(when=Always(), what=by, first=first, share=share)
