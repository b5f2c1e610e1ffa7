"""An encoder of the source as the target sees it: what the state check of a takeover asks."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.artifact import part_shapes
from handrail.core.types import Observation
from handrail.envs.transfer import AbstractView
from handrail.methods.contrastive.artefacts import read_encoder
from handrail.methods.contrastive.inputs import VectorInputs
from handrail.methods.sagui.guide_view import as_view
from handrail.methods.sagui.inputs import inputs_of
from handrail.methods.sagui.problem import Target


class SeenEmbedding(eqx.Module):
    """Where an encoder of the source puts an observation of the target, through the view."""

    embed: Callable[[Observation], Float[Array, " latent"]]
    view: AbstractView

    def __call__(self, observation: Observation) -> Float[Array, " latent"]:
        return self.embed(self.view(observation))


@dataclasses.dataclass(frozen=True)
class StateEmbedding:
    """An encoder of the source, as the target sees it."""

    embed: SeenEmbedding
    unsafe: Float[Array, "known latent"]
    """Embeddings of states of the source that harm followed."""


def encoder_inputs(
    observation: Observation, scaled_parts: Mapping[str, Sequence[int]] | None
) -> VectorInputs:
    """What an encoder reads of such an observation: its numbers on one scale, where that is known
    of its parts (`scaled_parts`).
    """
    scaled = None if scaled_parts is None else inputs_of("scaled", scaled_parts)
    return VectorInputs(observation, scaled)


def open_encoder(path: Path, target: Target) -> StateEmbedding:
    """The encoder of a file, which sees the target as a guide does. Raises `HandrailError` where it
    was trained on other parts.
    """
    view = as_view(target.view or (lambda observation: observation))
    seen = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape), jax.eval_shape(view, target.interface.observation)
    )
    inputs = encoder_inputs(seen, None if target.scaled_parts is None else part_shapes(seen))
    found = read_encoder(path, inputs)
    return StateEmbedding(SeenEmbedding(inputs.frozen_embedding(found.encoder), view), found.unsafe)
