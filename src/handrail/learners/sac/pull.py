"""The pull towards a guide, in every transition of a batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.equations.distillation import Distillation

GUIDE_LOG_PROB = "guide_log_prob"  # the extra that distillation reads
Scalar = Float[Array, ""]


def pulled(
    distillation: Distillation | None,
    batch: Transition,
    *,
    alpha: Scalar,
    beta: Scalar,
    progress: Scalar,
) -> tuple[Float[Array, " batch"], Scalar]:
    """The likelihood bonus of every transition, and the entropy weight in use."""
    if distillation is None:
        return jnp.zeros_like(batch.reward), alpha
    if GUIDE_LOG_PROB not in batch.extras:
        raise HandrailError(
            f"distillation needs the extra {GUIDE_LOG_PROB!r} of every transition, but it has "
            f"{sorted(batch.extras)}: give the agent the guide, or set distillation to None"
        )
    strength = distillation.strength(beta, progress)
    bonus = jax.vmap(lambda log_prob: distillation.bonus(strength, log_prob))
    entropy_weight = distillation.entropy_weight(strength, alpha)
    return bonus(batch.extras[GUIDE_LOG_PROB]), entropy_weight
