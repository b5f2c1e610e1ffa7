"""What did harm once is not done again (beyond the papers)."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.core.types import Context, Memory, Observation, Transition
from handrail.interventions.asked import ask, vector
from handrail.interventions.base import AbstractTrigger, Threshold, Verdict

NEVER = -1  # an action that nobody proposes


class HarmMemory(eqx.Module):
    """The states in which an action did harm, by their embedding, and that action."""

    embeddings: Float[Array, "capacity latent"]
    actions: Int[Array, " capacity"]
    recorded: Int[Array, ""]


class RepeatsHarm(AbstractTrigger):
    """Fires where the proposed action, a number, has done harm in a state as near as `distance`.

    A step that costs is remembered unless the trigger knew it already; the newest `capacity` are
    kept. So a kind of mistake that prior knowledge does not know is made about once. Reports
    `harm_distance`, the latent distance to the nearest such state, and `repeats_harm`. It also
    fires where the embedding is not finite; such a one is never stored.
    """

    stream: ClassVar[str] = "RepeatsHarm"
    embed: Callable[[Observation], Float[Array, " latent"]]
    latent: int = eqx.field(static=True)
    """Numbers of an embedding."""
    distance: float = eqx.field(default=0.5, static=True)
    capacity: int = eqx.field(default=100, static=True)

    def init(self) -> HarmMemory:
        return HarmMemory(
            embeddings=jnp.zeros((self.capacity, self.latent), jnp.float32),
            actions=jnp.full(self.capacity, NEVER, jnp.int32),
            recorded=jnp.asarray(0, jnp.int32),
        )

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("harm_distance", self.distance, "below"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        embedding = self._embedding(context.observation)
        nearest, finite = _nearest(embedding, context.proposed, memory)
        fires = (nearest < self.distance) | ~finite
        return Verdict(fires, {"harm_distance": nearest, "repeats_harm": fires}, ~finite)

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        embedding = self._embedding(transition.observation)
        nearest, finite = _nearest(embedding, transition.action, memory)
        harmful = (transition.cost > 0) | ~jnp.isfinite(transition.cost)
        new = harmful & finite & ~(nearest < self.distance)
        slot = memory.recorded % self.capacity
        action = transition.action.astype(jnp.int32)
        return HarmMemory(
            embeddings=memory.embeddings.at[slot].set(
                jnp.where(new, embedding, memory.embeddings[slot])
            ),
            actions=memory.actions.at[slot].set(jnp.where(new, action, memory.actions[slot])),
            recorded=memory.recorded + new.astype(jnp.int32),
        )

    def _embedding(self, observation: Observation) -> Float[Array, " latent"]:
        given = ask("the embedding", self.embed, observation)
        return vector("the embedding", given, size=self.latent, of="latent number")


def _nearest(
    embedding: Float[Array, " latent"], action: Int[Array, ""], memory: HarmMemory
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """Distance to the nearest state in which this action did harm, `inf` where it never did; and
    whether the embedding is finite.
    """
    distances = jnp.sqrt(jnp.sum(jnp.square(memory.embeddings - embedding[None]), axis=-1))
    same = memory.actions == action
    return jnp.min(jnp.where(same, distances, jnp.inf)), jnp.isfinite(embedding).all()
