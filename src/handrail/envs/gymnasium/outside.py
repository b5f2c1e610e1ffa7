"""Observations outside the space that an environment declares: training goes on, with a word."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.envs.gymnasium.spaces import ObservationCodec

LOG = logging.getLogger(__name__)
FIRST = 1_000
"""Observations that are looked at from the beginning, all of them."""
EVERY = 100
"""Of those that follow, one in so many is looked at."""


class OutsideWatch:
    """Looks at the first observations and then at some, and warns once of one outside its space.

    Parts whose values are refused anyway, numbers of a `Discrete` and images, are not looked at.
    """

    def __init__(self, name: str, codec: ObservationCodec):
        self._name = name
        self._parts = {
            part: (codec.codecs[part].called, *bounds(space))
            for part, space in codec.spaces.items()
            if codec.codecs[part].sizes is None and codec.codecs[part].image is None
        }
        self._seen = 0
        self._looks = bool(self._parts)

    def __call__(self, observation: Any) -> None:
        """The next observation, as networks read it."""
        self._seen += 1
        if not self._looks or (self._seen > FIRST and self._seen % EVERY):
            return
        named = observation if isinstance(observation, Mapping) else {"": observation}
        for part, (called, low, high) in self._parts.items():
            values = named[part]
            outside = (values < low) | (values > high)
            if outside.any():
                self._looks = False
                at = tuple(np.argwhere(outside)[0].tolist())
                LOG.warning(
                    "%s: the %s is %.6g at %s, outside its space, which goes from %.6g to %.6g: "
                    "correct the space's bounds, or clip what is returned; training goes on",
                    self._name, called, values[at], list(at), low[at], high[at],
                )  # fmt: skip
                return


def bounds(space: Any) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest values of a `Box`, or of a `MultiBinary`, as float32."""
    ends = getattr(space, "low", 0), getattr(space, "high", 1)
    low, high = (np.broadcast_to(np.asarray(end, np.float32), space.shape) for end in ends)
    return low, high
