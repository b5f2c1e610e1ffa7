"""Action values and embeddings of observations whose parts are read side by side."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from handrail.core.types import Observation
from handrail.learners.sac.networks import observation_vector
from handrail.networks.inputs import ScaledInputs
from handrail.networks.mlp import MLP
from handrail.networks.reading import Reading, ReadInputs


class VectorQ(eqx.Module):
    """Action values of an observation's parts side by side."""

    mlp: MLP

    @staticmethod
    def fresh(
        width: int, hidden: tuple[int, ...], actions: int, *, key: Key[Array, ""]
    ) -> "VectorQ":
        """Untrained, for vectors of this width."""
        return VectorQ(MLP((width, *hidden, actions), key=key))

    def __call__(self, observation: Observation) -> Float[Array, " actions"]:
        return self.mlp(observation_vector(observation))


class ReadQ(eqx.Module):
    """Action values of what is read of an observation: convolutions of images, numbers brought to
    one scale.
    """

    inputs: ReadInputs
    mlp: MLP

    @staticmethod
    def fresh(
        reading: Reading, hidden: tuple[int, ...], actions: int, *, key: Key[Array, ""]
    ) -> "ReadQ":
        """Untrained."""
        first, second = jax.random.split(key)
        inputs = ReadInputs.fresh(reading, key=first)
        return ReadQ(inputs, MLP((reading.width, *hidden, actions), key=second))

    def __call__(self, observation: Observation) -> Float[Array, " actions"]:
        return self.mlp(self.inputs(observation_vector(observation)))

    def batch(self, observations: Observation) -> Float[Array, "batch actions"]:
        """Equals `vmap(self)`, images evaluated a few at a time."""
        return jax.vmap(self.mlp)(self.inputs.batch(jax.vmap(observation_vector)(observations)))


class ScaledVector(eqx.Module):
    """An observation's parts side by side, each number on its scale."""

    scaled: ScaledInputs

    def __call__(self, observation: Observation) -> Float[Array, " n"]:
        return self.scaled(observation_vector(observation))


class VectorEmbedding(eqx.Module):
    """Where an encoder puts an observation's parts side by side, `scaled` if it reads them so."""

    encoder: Any
    scaled: ScaledInputs | None = None

    def __call__(self, observation: Observation) -> Float[Array, " latent"]:
        read = observation_vector(observation)
        return self.encoder(read if self.scaled is None else self.scaled(read))
