"""What networks read of observations with images, alone or beside other numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from handrail.core.artifact import part_shapes
from handrail.core.types import Observation
from handrail.learners.q.novelty import Novelty, SimHash
from handrail.learners.q.values import AbstractValues, InBatches
from handrail.learners.representation.latent_agent import VectorLatents
from handrail.learners.sac.networks import observation_vector
from handrail.methods.contrastive.built import EncoderNetwork, QNetwork
from handrail.methods.contrastive.inputs import AbstractInputs
from handrail.methods.contrastive.vector_q import ReadQ, VectorEmbedding
from handrail.networks.autoencoder import Autoencoder, VariationalEncoder
from handrail.networks.image_autoencoder import ImageDecoder, ImageEncoder
from handrail.networks.image_network import ImageNetwork, Images
from handrail.networks.reading import Reading
from handrail.replay.frames import FrameRing


class ImageInputs(AbstractInputs):
    """Observations are images, or named parts among which there are some."""

    def __init__(self, example: Observation, images: Images, width: int = 1):
        """`example` gives names and shapes of the parts, `width` the environments side by side."""
        self.images, self._width = images, width
        self.shape = observation_vector(example).shape
        self.spec = {"view": "named parts", "parts": part_shapes(example)}

    def _reading(self, network: ImageNetwork, *, normalised: bool = False) -> Reading:
        reading = Reading.of(self.spec["parts"], self.images, network, normalised=normalised)
        assert reading is not None  # there are images
        return reading

    def q_network(self, built: QNetwork, actions: int) -> Callable[..., Any]:
        reading = self._reading(built.images, normalised=built.normalise_observations)
        return partial(ReadQ.fresh, reading, (), actions)

    def autoencoder(self, built: EncoderNetwork, *, key: Key[Array, ""]) -> Autoencoder:
        first, second, third = jax.random.split(key, 3)
        reading = self._reading(built.images)
        encoder = ImageEncoder(reading, built.latent, key=first)
        decoder = ImageDecoder(reading, built.latent, key=second)
        if built.variational:
            return Autoencoder(VariationalEncoder(encoder, built.latent, key=third), decoder)
        return Autoencoder(encoder, decoder)

    def frame_memory(self, capacity: int) -> FrameRing:
        return FrameRing(capacity, self._width)

    def remembered(self, most: int, replay: int) -> int:
        return min(most, replay)

    def values(self) -> AbstractValues:
        return InBatches()

    def latent_values(self, *, sampled: bool) -> AbstractValues:
        return VectorLatents(sampled)

    def encoder_input(self) -> Callable[[Any], Shaped[Array, "batch *input"]]:
        return jax.vmap(observation_vector)

    def novelty(self, scale: float) -> Novelty:
        hashed = SimHash.fresh(self.shape[0])
        return Novelty(scale, 2 ** len(hashed.projections), hashed)

    def distinct(self, observations: Any) -> Shaped[np.ndarray, "distinct *input"]:
        rows = np.asarray(self.encoder_input()(observations))
        return rows[sorted({row.tobytes(): place for place, row in enumerate(rows)}.values())]

    def frozen_values(self, network: Any) -> Callable[[Observation], Float[Array, " actions"]]:
        return network

    def frozen_embedding(self, encoder: Any) -> Callable[[Observation], Float[Array, " latent"]]:
        return VectorEmbedding(encoder)
