"""What determines a state check by an encoder of the source, and that encoder."""

import dataclasses
from typing import Annotated

from handrail.core.arguments import Count, Positive, Range, Share
from handrail.methods.contrastive.settings import RepresentationSettings


@dataclasses.dataclass(frozen=True)
class NearUnsafeSettings:
    """When a state counts as near unsafe ones, and an action as bad."""

    max_distance: Positive = 2.5
    """d_max: mean latent distance to unsafe states below which a state counts as unsafe; where an
    adaptive distance starts."""
    adaptive: bool = False
    """Follow a quantile of the distances of safe states instead of the fixed d_max."""
    quantile: Share = 0.2
    """The quantile that an adaptive distance follows."""
    neighbours: Count = 10
    """k: unsafe embeddings averaged over."""
    capacity: Count = 100
    """Unsafe embeddings kept: those of the source first, then those of the target's own costs."""
    bring_known: bool = True
    """Begin with the unsafe embeddings of the source instead of none."""
    threshold: Annotated[float, Range(high=0)] = 0.0
    """Action check: an action is bad if its prior value is below the mean of sampled actions by
    more than this (≤ 0), in discounted cost."""
    samples: Count = 64
    """Actions that it draws for that mean."""


NEAR = NearUnsafeSettings()
"""The paper's values, with the unsafe embeddings of the source."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceEncoderSettings(RepresentationSettings):
    """An encoder of the source's observations, learnt from random driving."""

    environment: str
    """The task whose source variant is learnt in."""
    steps: Count = 100_000
    """Environment steps, of random actions, each held for 30 steps."""
    latent: Count = 16
    """Size of the embedding."""
    hidden: tuple[Count, ...] = (128, 128)
    """Hidden layers of encoder and decoder."""
    horizon: Count = 10
    """A state is unsafe if harm followed within so many steps (arXiv:2503.10318: 1)."""
    episode_length: Count = 200
    """Steps of an episode."""
    rescue_share: Share = 0.25
    """Share of the episodes that begin inside a hazard."""
