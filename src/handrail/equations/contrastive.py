"""Losses on latent vectors: what pulls states of one kind together and the two kinds apart.

Of a batch, since they compare its members. Every function is finite with finite gradients
for batches that are all safe, all unsafe or hold identical latents.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Scalar = float | Float[Array, ""]


def squared_distances(latents: Float[Array, "batch latent"]) -> Float[Array, "batch batch"]:
    """Squared Euclidean distances of all ordered pairs, diagonal (0) included.

    Taken from differences, not from ‖x‖² + ‖y‖² − 2x·y: that form is faster for wide batches but
    rounds near-equal latents to distances that are wrong or negative. There is no square root,
    whose gradient at 0 is not a number.
    """
    return jnp.sum(jnp.square(latents[:, None] - latents[None, :]), axis=-1)


def _mean_where(values: Array, mask: Array) -> Float[Array, ""]:
    """Mean of the selected entries, 0 if there are none."""
    return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)


def contrastive_loss(
    latents: Float[Array, "batch latent"], unsafe: Bool[Array, " batch"], margin: Scalar = 10.0
) -> Float[Array, ""]:
    """½ [mean over same-label pairs of d² + mean over other pairs of max(0, margin − d²)].

    arXiv:2503.10318, the contrastive term, as its script computes it: all ordered pairs, each
    latent paired with itself included; the two kinds averaged separately, a kind without pairs
    counting as 0. The hinge is on `margin − d²` (margin in squared units), not on `(margin − d)²`.
    """
    distances = squared_distances(latents)
    same = unsafe[:, None] == unsafe[None, :]
    attract = _mean_where(distances, same)
    repel = _mean_where(jax.nn.relu(margin - distances), ~same)
    return 0.5 * (attract + repel)


def latent_energy(latents: Float[Array, "batch latent"]) -> Float[Array, ""]:
    """Mean squared norm of the latents: the penalty of the plain auto-encoder."""
    return jnp.mean(jnp.sum(jnp.square(latents), axis=-1))


def gaussian_kl(
    mean: Float[Array, "batch latent"], log_variance: Float[Array, "batch latent"]
) -> Float[Array, ""]:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)): summed over dimensions, averaged over the batch."""
    per_dimension = jnp.square(mean) + jnp.exp(log_variance) - 1.0 - log_variance
    return 0.5 * jnp.mean(jnp.sum(per_dimension, axis=-1))


def _normalise(latents: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
    """Unit length; the added constant keeps the gradient of a zero vector finite."""
    return latents * jax.lax.rsqrt(jnp.sum(jnp.square(latents), axis=-1, keepdims=True) + 1e-12)


def info_nce(
    queries: Float[Array, "batch latent"],
    keys: Float[Array, "batch latent"],
    temperature: Scalar = 0.1,
) -> Float[Array, ""]:
    """Cross-entropy of finding `keys[i]` for `queries[i]` among all keys, by cosine similarity.

    van den Oord et al. 2018 (arXiv:1807.03748). For pairs known to belong together, such as two
    unsafe observations; log(batch) at chance.
    """
    logits = _normalise(queries) @ _normalise(keys).T / temperature
    return -jnp.mean(jnp.diagonal(jax.nn.log_softmax(logits, axis=-1)))
