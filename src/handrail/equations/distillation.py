"""Drawing the student towards the guide where safety is at stake (arXiv:2307.14316, Sec. 5).

The objective's −ω KL(π⊙ ‖ π⋄) = ω E[log π⋄] + ω H(π⊙) reaches the learner in two places: a
*likelihood bonus* ω log π⋄(a|Ξ(s)) on the reward and ω more entropy weight. ω is a strategy
(`AbstractStrength`); whether the entropy part is counted is a number (`entropy_share`).
"""

import abc
import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]


class AbstractStrength(eqx.Module):
    """ω, the strength of the pull towards the guide."""

    @abc.abstractmethod
    def __call__(self, multiplier: Scalar, progress: Scalar) -> Scalar:
        """ω ≥ 0 from the safety weight β and the share of the run that is done, in [0, 1]."""


class MultiplierStrength(AbstractStrength):
    """ω = slope · β + offset: as safe as needed, since β rises while the limit is broken.

    The paper has (1, 0); the authors' scripts have (0.1, 0.01).
    """

    slope: float = eqx.field(default=1.0, static=True)
    offset: float = eqx.field(default=0.0, static=True)

    def __call__(self, multiplier, progress):
        return self.slope * multiplier + self.offset


class FixedStrength(AbstractStrength):
    """ω constant (the ablation FIXREG)."""

    value: float = eqx.field(static=True)

    def __call__(self, multiplier, progress):
        return jnp.full_like(multiplier, self.value)


class DecayingStrength(AbstractStrength):
    """ω falls linearly from `initial` to 0 over the run (the ablation DECREG)."""

    initial: float = eqx.field(static=True)

    def __call__(self, multiplier, progress):
        return (self.initial * (1 - jnp.clip(progress, 0, 1))).astype(multiplier.dtype)


class Distillation(eqx.Module):
    """What is added on behalf of the guide: strength, entropy share and floor of the bonus.

    Attributes:
        strength: ω.
        entropy_share: 1 adds ω to the entropy weight (the whole KL term), 0 leaves it out.
        floor: the bonus uses max(log π⋄, floor), in nats, so that one far-off action cannot
            outweigh the task's reward.
    """

    strength: AbstractStrength
    entropy_share: float = eqx.field(default=0.0, static=True)
    floor: float = eqx.field(default=-math.inf, static=True)

    def bonus(self, strength: Scalar, guide_log_prob: Scalar) -> Scalar:
        """ω · max(log π⋄(a|Ξ(s)), floor): reward per step."""
        return strength * jnp.maximum(guide_log_prob, self.floor)

    def entropy_weight(self, strength: Scalar, entropy_weight: Scalar) -> Scalar:
        """α + share · ω: what actor and critics use in place of α."""
        return entropy_weight + self.entropy_share * strength


def authors_distillation() -> Distillation:
    """As the authors' scripts compute it: ω = 0.1 β + 0.01, entropy weight α.

    Differs from the paper, which has ω = β and entropy weight α + ω. Goes with `authors_point`.
    """
    return Distillation(MultiplierStrength(0.1, 0.01))


def paper_distillation(floor: float = -20.0) -> Distillation:
    """As the paper derives it: ω = β, entropy weight α + ω. Goes with `exact_point`.

    Differs from the paper in the floor, since it leaves the bonus unbounded.
    """
    return Distillation(MultiplierStrength(), entropy_share=1.0, floor=floor)
