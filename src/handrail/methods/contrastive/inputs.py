"""What networks read of an environment's observations: rows of a table, or vectors.

Everything that depends on the kind of observation is here: the networks, how they are evaluated
while they learn and once they are frozen, and what a card says of the observation.
"""

import abc
import functools
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from handrail.core.artifact import part_shapes
from handrail.core.errors import HandrailError
from handrail.core.types import Observation
from handrail.learners.q.novelty import Novelty, SimHash, TableRow
from handrail.learners.q.values import AbstractValues, Direct, Gathered, OnFrames, Tabulated
from handrail.learners.representation.agent import Frames
from handrail.learners.representation.latent_agent import SampledLatents, VectorLatents
from handrail.learners.sac.networks import observation_vector
from handrail.methods.contrastive.built import EncoderNetwork, QNetwork
from handrail.methods.contrastive.settings import ENCODER_IMAGES
from handrail.methods.contrastive.vector_q import ReadQ, ScaledVector, VectorEmbedding, VectorQ
from handrail.networks.autoencoder import Autoencoder, MLPDecoder, MLPEncoder, VariationalEncoder
from handrail.networks.image_network import ImageNetwork, Images
from handrail.networks.inputs import ScaledInputs
from handrail.networks.lookup import Lookup
from handrail.networks.mlp import MLP
from handrail.networks.patches import PatchTable
from handrail.networks.pixels import (
    NatureQ,
    PixelDecoder,
    PixelEncoder,
    check_encoder_sizes,
    check_q_sizes,
)
from handrail.networks.reading import Reading
from handrail.replay.frames import FrameRing

PIXELS = (84, 84, 3)
# Evaluating every live row pays while there are not many more of them than a batch draws.
MOST_TABULATED = 512


class AbstractInputs(abc.ABC):
    """What networks read of the observations of a problem."""

    spec: dict[str, Any]
    """What a card says of it: a file fits where all of this is equal."""
    shape: tuple[int, ...]
    """Of what an encoder reads of one observation."""

    images: Images = MappingProxyType({})
    """Which parts are images whose numbers an environment of others gives."""

    @abc.abstractmethod
    def q_network(self, built: QNetwork, actions: int) -> Callable[..., Any]:
        """A constructor `(key=) -> network` of the values of this many actions."""

    @abc.abstractmethod
    def autoencoder(self, built: EncoderNetwork, *, key: Key[Array, ""]) -> Autoencoder:
        """Encoder and decoder of what an encoder reads, untrained."""

    def frame_memory(self, capacity: int) -> FrameRing | None:
        """A memory that keeps observations once; None where they are small."""
        return None

    def remembered(self, most: int, replay: int) -> int:
        """How many observations an encoder's memory holds, of `most`, where the acting agent's
        replay has this capacity.
        """
        return most

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

    def __init__(
        self,
        frames: Shaped[np.ndarray, "rows *frame"],
        live: int,
        view: str,
        window: int | None = None,
    ):
        """`window`: cells a side, where the view shows a fixed number of them."""
        self.frames, self.live = frames, live
        self.shape = tuple(frames.shape[1:])
        fixed = {} if window is None else {"window": window}
        self.spec = {"view": view, **fixed, "shape": list(self.shape)}

    def q_network(self, built: QNetwork, actions: int) -> Callable[..., Any]:
        if built.normalise_observations:
            raise HandrailError(
                "learning.normalise_observations is true, but frames of a table have one scale: "
                "leave it off"
            )
        if self.shape == PIXELS:
            check_q_sizes("learning.images", built.images)
            return _made(NatureQ, actions, built.images)
        refuse_images("learning.images", built.images, ImageNetwork())
        return _made(MLP, (*self.shape, *built.hidden, actions))

    def autoencoder(self, built: EncoderNetwork, *, key: Key[Array, ""]) -> Autoencoder:
        if self.shape == PIXELS:
            check_encoder_sizes("encoder.images", built.images)
        else:
            refuse_images("encoder.images", built.images, ENCODER_IMAGES)
        return autoencoder(self.shape, built, key=key)

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


class VectorInputs(AbstractInputs):
    """Observations are arrays or named parts; networks read them side by side as one vector."""

    def __init__(self, example: Observation, scaled: ScaledInputs | None = None):
        """`example` gives names and shapes of the parts; an encoder reads them `scaled`, if so."""
        self.shape, self.scaled = observation_vector(example).shape, scaled
        self.spec = {"view": "named parts", "parts": part_shapes(example)}
        if scaled is not None:
            self.spec["inputs"] = "scaled"

    def q_network(self, built: QNetwork, actions: int) -> Callable[..., Any]:
        refuse_images("learning.images", built.images, ImageNetwork())
        normalised = built.normalise_observations
        reading = Reading.of(self.spec["parts"], {}, built.images, normalised=normalised)
        if reading is not None:
            return partial(ReadQ.fresh, reading, built.hidden, actions)
        return partial(VectorQ.fresh, self.shape[0], built.hidden, actions)

    def autoencoder(self, built: EncoderNetwork, *, key: Key[Array, ""]) -> Autoencoder:
        refuse_images("images", built.images, ENCODER_IMAGES)
        return autoencoder(self.shape, built, key=key)

    def values(self) -> AbstractValues:
        return Direct()

    def latent_values(self, *, sampled: bool) -> AbstractValues:
        return VectorLatents(sampled)

    def encoder_input(self) -> Callable[[Any], Shaped[Array, "batch *input"]]:
        return jax.vmap(self.encoder_vector)

    @property
    def encoder_vector(self) -> Callable[[Observation], Float[Any, " n"]]:
        """What an encoder reads of one observation."""
        return observation_vector if self.scaled is None else ScaledVector(self.scaled)

    def novelty(self, scale: float) -> Novelty:
        hashed = SimHash.fresh(self.shape[0])
        return Novelty(scale, 2 ** len(hashed.projections), hashed)

    def distinct(self, observations: Any) -> Shaped[np.ndarray, "distinct *input"]:
        return np.unique(np.asarray(self.encoder_input()(observations)), axis=0)

    def frozen_values(self, network: Any) -> Callable[[Observation], Float[Array, " actions"]]:
        return network

    def frozen_embedding(self, encoder: Any) -> Callable[[Observation], Float[Array, " latent"]]:
        return VectorEmbedding(encoder, self.scaled)


def autoencoder(shape: tuple[int, ...], built: EncoderNetwork, *, key: Any) -> Autoencoder:
    """Encoder and decoder for inputs of this shape."""
    first, second, third = jax.random.split(key, 3)
    latent, hidden = built.latent, built.hidden
    if tuple(shape) == PIXELS:
        encoder = PixelEncoder(latent, built.images, key=first)
        decoder = PixelDecoder(latent, built.images, key=second)
    else:
        encoder = MLPEncoder((*shape, *hidden, latent), key=first)
        decoder = MLPDecoder((latent, *reversed(hidden), *shape), key=second)
    if built.variational:
        return Autoencoder(VariationalEncoder(encoder, latent, key=third), decoder)
    return Autoencoder(encoder, decoder)


def refuse_images(what: str, images: ImageNetwork, default: ImageNetwork) -> None:
    """Refuses convolutions of one's own where nothing is read by them."""
    if images != default:
        raise HandrailError(
            f"{what} is {images}, but no part of the observation is an image that it would read "
            "(of 32 × 32 pixels or more): leave it out"
        )


@functools.cache
def _made(kind: Callable[..., Any], *sizes: Any) -> Callable[..., Any]:
    """One object for equal networks: programs of several runs tell functions apart by identity."""
    return partial(kind, *sizes)


def on_every_row(network: Callable, frames: np.ndarray, *, chunk: int = 256) -> jax.Array:
    """A network's output on every row of a table, evaluated in chunks."""
    table = jnp.asarray(frames)
    return jax.jit(lambda f: jax.lax.map(network, f, batch_size=chunk))(table)
