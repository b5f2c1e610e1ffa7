"""The memory of unsafe states: their embeddings, and how far a state is from them."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from handrail.equations.safety_checks import mean_nearest_distance, mean_nearest_distance_padded
from handrail.replay.ring import Ring, RingState, check_capacity


class UnsafeEmbeddings(eqx.Module):
    """The embeddings of the last `capacity` states before a violation (arXiv:2503.10318)."""

    capacity: int = eqx.field(static=True, default=100)
    k: int = eqx.field(static=True, default=10)

    def __check_init__(self):
        check_capacity(self.capacity)

    def init(self, latent: int) -> RingState:
        """An empty memory of embeddings with `latent` dimensions."""
        return Ring(self.capacity).init(jnp.zeros(latent))

    def size(self, state: RingState) -> Int[Array, ""]:
        return Ring(self.capacity).size(state)

    def add(
        self,
        state: RingState,
        embedding: Float[Array, " latent"],
        *,
        where: bool | Bool[Array, ""] = True,
    ) -> RingState:
        """Stores the embedding of the state in which a violating action was taken, if `where`."""
        return Ring(self.capacity).add(state, embedding, where=where)

    def distance(self, state: RingState, embedding: Float[Array, " latent"]) -> Float[Array, ""]:
        """Mean distance to the `k` nearest stored embeddings; `inf` if there are none."""
        return mean_nearest_distance(embedding, state.items, self.size(state), self.k)

    def distance_padded(
        self, state: RingState, embedding: Float[Array, " latent"]
    ) -> Float[Array, ""]:
        """The authors' form, where the zero rows of a part-filled memory compete."""
        return mean_nearest_distance_padded(embedding, state.items, self.size(state), self.k)
