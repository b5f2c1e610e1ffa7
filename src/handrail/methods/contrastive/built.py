"""What is needed to build a file's networks again, from settings or from its card."""

import dataclasses
from typing import Any

from handrail.core.artifact import Card, widths
from handrail.core.errors import HandrailError
from handrail.methods.contrastive.settings import (
    ENCODER_IMAGES,
    MOST_MEMBERS,
    QLearning,
    RepresentationSettings,
)
from handrail.methods.image_cards import (
    image_entries,
    layer_entries,
    read_image_entries,
    read_layers,
)
from handrail.networks.image_network import ImageNetwork, Images

IMAGES = ImageNetwork()
FRAMES = "convolutions"  # what a card calls those on frames of a table


@dataclasses.dataclass(frozen=True)
class QNetwork:
    """A network of action values."""

    hidden: tuple[int, ...]
    """Hidden layers, where there are no images."""
    images: ImageNetwork = IMAGES
    normalise_observations: bool = False
    pictures: Images | None = None
    """The images that a file's network reads; None of settings, which do not say."""
    members: int = 1
    """Networks in an ensemble; 1 is no ensemble."""

    @staticmethod
    def of(learning: QLearning) -> "QNetwork":
        """That of a learner with these settings."""
        return QNetwork(learning.hidden, learning.images, learning.normalise_observations)

    @staticmethod
    def read(card: Card, *, source: str) -> "QNetwork":
        """As a card says."""
        hidden = widths(card, "hidden", source=source)
        network, pictures, normalised = read_image_entries(card, source=source)
        if not pictures:
            network = _read_frames(card, IMAGES, source=source)
        members = card.network.get("members", 1)
        if type(members) is not int or not 1 <= members <= MOST_MEMBERS:
            raise HandrailError(
                f"{source}: the card's network has members = {members!r}, expected a whole number "
                f"from 1 to {MOST_MEMBERS}"
            )
        return QNetwork(hidden, network, normalised, pictures, members)

    def entries(self, images: Images) -> dict[str, Any]:
        """What a card says of it, where these are the images."""
        normalised = self.normalise_observations
        return {
            "hidden": [] if images else list(self.hidden),
            **image_entries(self.images, images, normalised=normalised),
            **_of_frames(self.images, images, IMAGES),
            **({} if self.members == 1 else {"members": self.members}),
        }


@dataclasses.dataclass(frozen=True)
class EncoderNetwork:
    """An encoder and its decoder."""

    latent: int
    hidden: tuple[int, ...]
    """Hidden layers, where there are no images."""
    images: ImageNetwork = ENCODER_IMAGES
    variational: bool = False
    pictures: Images | None = None
    """The images that a file's network reads; None of settings, which do not say."""

    @staticmethod
    def of(settings: RepresentationSettings) -> "EncoderNetwork":
        """Those of a training with these settings."""
        return EncoderNetwork(
            settings.latent, settings.hidden, settings.images, settings.loss == "vae"
        )

    @staticmethod
    def read(card: Card, latent: int, variational: bool, *, source: str) -> "EncoderNetwork":
        """As a card says."""
        hidden = widths(card, "hidden", source=source)
        network, pictures, _ = read_image_entries(card, source=source)
        if not pictures:
            network = _read_frames(card, ENCODER_IMAGES, source=source)
        return EncoderNetwork(latent, hidden, network, variational, pictures)

    def entries(self, images: Images) -> dict[str, Any]:
        """What a card says of them, where these are the images."""
        return {
            "latent": self.latent,
            "hidden": [] if images else list(self.hidden),
            "variational": self.variational,
            **image_entries(self.images, images, normalised=False),
            **_of_frames(self.images, images, ENCODER_IMAGES),
        }


def _of_frames(network: ImageNetwork, images: Images, default: ImageNetwork) -> dict[str, Any]:
    """What a card says of convolutions on frames of a table, if they are not the paper's."""
    return {} if images or network == default else {FRAMES: layer_entries(network)}


def _read_frames(card: Card, default: ImageNetwork, *, source: str) -> ImageNetwork:
    """The same from a card, checked."""
    said = card.network.get(FRAMES)
    if said is None:
        return default
    if not isinstance(said, dict):
        raise HandrailError(f"{source}: the card's {FRAMES} are {said!r}, expected layers")
    return read_layers(said, source=source)
