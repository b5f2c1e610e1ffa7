"""What a card says of images: the convolutions that read them, and what their numbers are."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handrail.core.artifact import WHOLE, Card, number
from handrail.core.errors import HandrailError
from handrail.envs.transfer import SameView, View
from handrail.networks.image_network import ImageNetwork, Images, ImageValues

LAYERS = ("channels", "kernels", "strides", "hidden")
MOST = 4_096
"""Up to which sizes of layers are believed."""


def image_entries(network: ImageNetwork, images: Images, *, normalised: bool) -> dict[str, Any]:
    """Entries of a card's network; none where vectors are read as they are."""
    entries: dict[str, Any] = {}
    if images:
        layers = layer_entries(network)
        parts = {name: dict(vars(values)) for name, values in sorted(images.items())}
        entries["images"] = {**layers, "parts": parts}
    return entries | ({"normalise_observations": True} if normalised else {})


def read_image_entries(card: Card, *, source: str) -> tuple[ImageNetwork, Images, bool]:
    """The same from a card, checked: the convolutions, what they read, and whether other numbers
    are standardised.
    """
    said = card.network.get("images")
    normalised = card.network.get("normalise_observations", False)
    if not isinstance(normalised, bool):
        raise HandrailError(
            f"{source}: the card's normalise_observations is {normalised!r}, expected true or false"
        )
    if said is None:
        return ImageNetwork(), {}, normalised
    parts = said.get("parts") if isinstance(said, dict) else None
    if not isinstance(parts, dict) or not parts:
        raise HandrailError(f"{source}: the card's images are {said!r}, expected layers and parts")
    network = read_layers(said, source=source)
    return network, {name: _values(one, name, source) for name, one in parts.items()}, normalised


def layer_entries(network: ImageNetwork) -> dict[str, list[int]]:
    """What a card says of convolutions."""
    return {name: list(getattr(network, name)) for name in LAYERS}


def read_layers(said: Mapping[str, Any], *, source: str) -> ImageNetwork:
    """The same, checked."""
    return ImageNetwork(**{name: _sizes(said.get(name), name, source) for name in LAYERS})


def check_images(own: Images, here: Images, seen: Any, *, source: str, where: str) -> None:
    """Refuses images whose numbers mean something else than where a network was trained.

    `own` are the network's, `here` those that are known of `seen`, an observation as it sees it.
    """
    parts = seen if isinstance(seen, Mapping) else {WHOLE: seen}
    for name, values in own.items():
        given = here.get(name)
        dtype = str(np.dtype(parts[name].dtype))
        if (values != given) if given is not None else (values.dtype != dtype):
            raise HandrailError(
                f"{source} does not fit {where}: its image {name!r} is {values}, but there it is "
                f"{dtype if given is None else given}; bring one to the other, such as with "
                "gymnasium.wrappers.TransformObservation"
            )


def seen_images(view: Callable[[Any], Any], images: Images) -> Images:
    """What is known of the images that a view gives, of those of an environment."""
    if isinstance(view, View):
        return {own: images[theirs] for own, theirs in view.parts if theirs in images}
    return images if isinstance(view, SameView) else {}


def how_to_resize(expected: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """For two sets of shapes that differ in the resolution of an image: what to do."""
    for name, shape in expected.items():
        other = seen.get(name)
        if other is not None and len(shape) >= 3 and len(other) >= 3 and other != shape:
            height, width = shape[-3:-1]
            return (
                f"; the images {name!r} have other resolutions, {_pixels(shape)} and "
                f"{_pixels(other)}: render both alike, or resize one, such as with "
                f"gymnasium.wrappers.ResizeObservation(env, ({width}, {height}))"
            )
    return ""


def _pixels(shape: Any) -> str:
    return " × ".join(map(str, shape))


def _sizes(value: Any, name: str, source: str) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(n) is int and 1 <= n <= MOST for n in value)
    if not whole or len(value) > 16:
        raise HandrailError(
            f"{source}: the card's images have {name} = {value!r}, expected at most 16 whole "
            f"numbers from 1 to {MOST}"
        )
    return tuple(value)


def _values(said: Any, name: str, source: str) -> ImageValues:
    if not isinstance(said, dict) or said.get("dtype") not in ("uint8", "float32"):
        raise HandrailError(
            f"{source}: the card's image {name!r} is {said!r}, expected low, high and a dtype"
        )
    low, high = (number(said.get(end), f"{source}: {end} of the image {name!r}")
                 for end in ("low", "high"))  # fmt: skip
    if not low < high:
        raise HandrailError(f"{source}: the image {name!r} goes from {low:g} to {high:g}")
    return ImageValues(low, high, said["dtype"])
