"""A share of the steps for the guide that follows what episodes have cost."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.types import Context, Memory, Transition
from handrail.interventions.base import AbstractTrigger, Verdict
from handrail.interventions.triggers import LinearDecay

RATE = 0.05


def next_share(
    share: Float[Array, ""], cost: Float[Array, ""], *, limit: float, rate: float = RATE
) -> Float[Array, ""]:
    """The share p after an episode of this (undiscounted) cost C: p + rate · (C / limit − 1),
    within [0, 1]; 1 where the cost is not finite.
    """
    moved = share + rate * (cost / limit - 1)
    return jnp.where(jnp.isfinite(cost), jnp.clip(moved, 0, 1), 1.0)


class AdaptiveShare(AbstractTrigger):
    """The coin of linear decay, with a probability driven by measured safety (beyond the papers).

    It begins at 1. An episode without cost lowers it by `rate`, one that costs `limit` leaves it,
    one above raises it (`next_share`). As in linear decay an episode is step-wise with that
    probability, else trajectory-wise. The memory lasts as long as the run.
    """

    stream: ClassVar[str] = "AdaptiveShare"
    limit: float = eqx.field(static=True)
    """Cost of an episode, undiscounted; above 0."""
    rate: float = eqx.field(default=RATE, static=True)

    def init(self) -> dict[str, Memory]:
        return {"share": jnp.array(1.0), "coin": LinearDecay().init()}

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return LinearDecay()(_at(memory["share"], context), memory["coin"], key=key)

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        ended = transition.terminated | transition.truncated
        cost = context.episode_cost + transition.cost
        after = next_share(memory["share"], cost, limit=self.limit, rate=self.rate)
        share = jnp.where(ended, after, memory["share"])
        at = _at(share, context)
        coin = LinearDecay().observe(memory["coin"], at, transition, key=key)
        return {"share": share, "coin": coin}


def _at(share: Float[Array, ""], context: Context) -> Context:
    """The context in which linear decay would have this probability."""
    return dataclasses.replace(context, progress=1 - share)
