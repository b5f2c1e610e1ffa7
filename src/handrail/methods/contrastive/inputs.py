"""What networks read of an environment's observations: rows of a table, or vectors.

Everything that depends on the kind of observation is here: the networks, how they are evaluated
while they learn and once they are frozen, and what a card says of the observation.
"""

import abc
import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from handrail.core.artifact import part_shapes
from handrail.core.types import Observation
from handrail.learners.q.novelty import Novelty, SimHash, TableRow
from handrail.learners.q.values import AbstractValues, Direct, Gathered, OnFrames, Tabulated
from handrail.learners.representation.agent import Frames
from handrail.learners.representation.latent_agent import SampledLatents, VectorLatents
from handrail.learners.sac.networks import observation_vector
from handrail.networks.lookup import Lookup
from handrail.networks.mlp import MLP
from handrail.networks.patches import PatchTable
from handrail.networks.pixels import NatureQ

PIXELS = (84, 84, 3)
# Evaluating every live row pays while there are not many more of them than a batch draws.
MOST_TABULATED = 512


class AbstractInputs(abc.ABC):
    """What networks read of the observations of a problem."""

    spec: dict[str, Any]
    """What a card says of it: a file fits where all of this is equal."""
    shape: tuple[int, ...]
    """Of what an encoder reads of one observation."""

    @abc.abstractmethod
    def q_network(self, hidden: tuple[int, ...], actions: int) -> Callable[..., Any]:
        """A constructor `(key=) -> network` of the values of this many actions."""

    @abc.abstractmethod
    def values(self) -> AbstractValues:
        """How a Q-network that learns is evaluated."""

    @abc.abstractmethod
    def latent_values(self, *, sampled: bool) -> AbstractValues:
        """How a `LatentQ` that learns is evaluated; `sampled` where its encoder is variational."""

    @abc.abstractmethod
    def encoder_input(self) -> Callable[[Any], Shaped[Array, "batch *input"]]:
        """Turns a batch of observations into what an encoder reads."""

    @abc.abstractmethod
    def novelty(self, scale: float) -> Novelty:
        """A bonus of this scale for states that were seldom visited."""

    @abc.abstractmethod
    def distinct(self, observations: Any) -> Shaped[np.ndarray, "distinct *input"]:
        """What an encoder reads of a batch of observations, each one once, in a fixed order."""

    @abc.abstractmethod
    def frozen_values(self, network: Any) -> Callable[[Observation], Float[Array, " actions"]]:
        """A Q-network that learns no more, as a function of an observation."""

    @abc.abstractmethod
    def frozen_embedding(self, encoder: Any) -> Callable[[Observation], Float[Array, " latent"]]:
        """An encoder that learns no more, as a function of an observation."""


class TableInputs(AbstractInputs):
    """Observations are rows of a table of frames, the first `live` of which can be acted on."""

    def __init__(self, frames: Shaped[np.ndarray, "rows *frame"], live: int, view: str):
        self.frames, self.live = frames, live
        self.shape = tuple(frames.shape[1:])
        self.spec = {"view": view, "shape": list(self.shape)}

    def q_network(self, hidden: tuple[int, ...], actions: int) -> Callable[..., Any]:
        if self.shape == PIXELS:
            return _made(NatureQ, actions)
        return _made(MLP, (*self.shape, *hidden, actions))

    @functools.cached_property
    def _table(self) -> Shaped[Array, "rows *frame"]:
        """The frames on the device."""
        return jnp.asarray(self.frames)

    @functools.cached_property
    def _numbers(self) -> Float[Array, "live *frame"]:
        """Those that can be acted on, as numbers."""
        return jnp.asarray(self.frames[: self.live], jnp.float32)

    def values(self) -> AbstractValues:
        if self.live > MOST_TABULATED:
            return Gathered(self._table)
        if self.shape == PIXELS:
            return Tabulated(PatchTable.compile(self.frames[: self.live]))
        return Tabulated(OnFrames(self._numbers))

    def latent_values(self, *, sampled: bool) -> AbstractValues:
        if sampled:
            return SampledLatents(self._numbers)
        if self.live > MOST_TABULATED:
            return Gathered(self._table)
        return Tabulated(OnFrames(self._numbers))

    def encoder_input(self) -> Callable[[Any], Shaped[Array, "batch *input"]]:
        return Frames(self._table)

    def novelty(self, scale: float) -> Novelty:
        return Novelty(scale, len(self.frames), TableRow())

    def distinct(self, observations: Any) -> Shaped[np.ndarray, "distinct *input"]:
        return self.frames[np.unique(np.asarray(observations))]

    def frozen_values(self, network: Any) -> Callable[[Observation], Float[Array, " actions"]]:
        return Lookup(on_every_row(network, self.frames[: self.live]))

    def frozen_embedding(self, encoder: Any) -> Callable[[Observation], Float[Array, " latent"]]:
        return Lookup(on_every_row(encoder, self.frames[: self.live]))


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


class VectorEmbedding(eqx.Module):
    """Where an encoder puts an observation's parts side by side."""

    encoder: Any

    def __call__(self, observation: Observation) -> Float[Array, " latent"]:
        return self.encoder(observation_vector(observation))


class VectorInputs(AbstractInputs):
    """Observations are arrays or named parts; networks read them side by side as one vector."""

    def __init__(self, example: Observation):
        """`example` gives names and shapes of the parts."""
        self.shape = observation_vector(example).shape
        self.spec = {"view": "named parts", "parts": part_shapes(example)}

    def q_network(self, hidden: tuple[int, ...], actions: int) -> Callable[..., Any]:
        return partial(VectorQ.fresh, self.shape[0], hidden, actions)

    def values(self) -> AbstractValues:
        return Direct()

    def latent_values(self, *, sampled: bool) -> AbstractValues:
        return VectorLatents(sampled)

    def encoder_input(self) -> Callable[[Any], Shaped[Array, "batch *input"]]:
        return jax.vmap(observation_vector)

    def novelty(self, scale: float) -> Novelty:
        hashed = SimHash.fresh(self.shape[0])
        return Novelty(scale, 2 ** len(hashed.projections), hashed)

    def distinct(self, observations: Any) -> Shaped[np.ndarray, "distinct *input"]:
        return np.unique(np.asarray(self.encoder_input()(observations)), axis=0)

    def frozen_values(self, network: Any) -> Callable[[Observation], Float[Array, " actions"]]:
        return network

    def frozen_embedding(self, encoder: Any) -> Callable[[Observation], Float[Array, " latent"]]:
        return VectorEmbedding(encoder)


@functools.cache
def _made(kind: Callable[..., Any], *sizes: Any) -> Callable[..., Any]:
    """One object for equal networks: programs of several runs tell functions apart by identity."""
    return partial(kind, *sizes)


def on_every_row(network: Callable, frames: np.ndarray, *, chunk: int = 256) -> jax.Array:
    """A network's output on every row of a table, evaluated in chunks."""
    table = jnp.asarray(frames)
    return jax.jit(lambda f: jax.lax.map(network, f, batch_size=chunk))(table)
