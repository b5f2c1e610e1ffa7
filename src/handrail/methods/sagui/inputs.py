"""What the networks of a run read of an observation: `learning.inputs`, `images`, and scales."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from handrail.core.errors import HandrailError
from handrail.methods.sagui.settings import Inputs
from handrail.networks.gaussian import Inputs as NetworkInputs
from handrail.networks.image_network import Images
from handrail.networks.inputs import ScaledInputs
from handrail.networks.reading import Reading

FACTORS = {  # that bring a part's numbers to about 1; parts of the order of 1 are not named
    "accelerometer": 0.1,
    "ballangvel_rear": 0.2,
    "magnetometer": 2.0,
    "velocimeter": 2.0,
}


def reading_of(
    built: Any,
    shapes: Mapping[str, Sequence[int]],
    images: Images,
    scaled_parts: Mapping[str, Sequence[int]] | None,
) -> NetworkInputs:
    """What networks with these settings (`SacSettings`, or what a card says) read of an observation
    with parts of these shapes, of which some are images. `scaled_parts` as of `inputs_of`.

    Raises `HandrailError` for settings that exclude each other, and for images that are too small.
    """
    fixed = inputs_of(built.inputs, scaled_parts)
    if fixed is not None and (images or built.normalise_observations):
        raise HandrailError(
            f"learning.inputs is {built.inputs!r}, which brings the numbers of the navigation "
            "tasks to one scale by itself: leave normalise_observations off, or inputs at 'raw'"
        )
    learnt = Reading.of(shapes, images, built.images, normalised=built.normalise_observations)
    return fixed if learnt is None else learnt


def inputs_of(kind: Inputs, parts: Mapping[str, Sequence[int]] | None) -> ScaledInputs | None:
    """What is read of an observation with parts of these shapes; None if it is read as it is.

    Raises `HandrailError` where `parts` are needed and None: they are no navigation task's.
    """
    if kind == "raw":
        return None
    if parts is None:
        raise HandrailError(
            f"learning.inputs is {kind!r}, but only the parts of the navigation tasks have known "
            "scales: leave it at 'raw', and scale the environment's observations"
        )
    factors, readings = [], []
    for name in sorted(parts):
        size = math.prod(parts[name])
        factors += [FACTORS.get(name, 1.0)] * size
        readings += [name.endswith("_lidar")] * size
    return ScaledInputs(tuple(factors), tuple(readings))


def kind_of(inputs: ScaledInputs | None, parts: Mapping[str, Sequence[int]]) -> Inputs:
    """The kind by which a card names them; raises `HandrailError` for scales of one's own."""
    if inputs is None:
        return "raw"
    if inputs != inputs_of("scaled", parts):
        raise HandrailError(
            "these networks scale their inputs in a way that no card can name; take "
            "inputs_of('scaled', parts), or None"
        )
    return "scaled"
