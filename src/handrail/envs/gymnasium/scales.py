"""Parts of an observation in wildly different scales: a network hardly sees the smaller ones."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

LOG = logging.getLogger(__name__)
LOOKED_AT = 200
"""Observations until it is judged."""
WILD = 1_000.0
"""The factor between the largest numbers of two parts from which on it is worth a warning."""


class ScaleWatch:
    """Looks at the first observations of a run, and warns once if parts differ in scale.

    Images and numbers that are always 0 do not count. Of an observation without named parts, each
    number is a part.
    """

    def __init__(self, name: str, images: Collection[str]):
        self._name, self._images = name, images
        self._largest: dict[str, float] = {}
        self._left = LOOKED_AT

    def __call__(self, observation: Any) -> None:
        """The next observation."""
        if not self._left:
            return
        for part, size in self._sizes(observation):
            self._largest[part] = max(self._largest.get(part, 0.0), size)
        self._left -= 1
        if not self._left:
            self._judge()

    def _sizes(self, observation: Any) -> list[tuple[str, float]]:
        if isinstance(observation, Mapping):
            return [
                (f"the part {name!r}", float(np.abs(part).max()))
                for name, part in observation.items()
                if name not in self._images and np.size(part)
            ]
        if self._images:
            return []
        return [
            (f"number {n}", size) for n, size in enumerate(np.abs(np.ravel(observation)).tolist())
        ]

    def _judge(self) -> None:
        sizes = {part: size for part, size in self._largest.items() if size > 0}
        if len(sizes) < 2:
            return
        least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        factor = sizes[most] / sizes[least]
        if factor >= WILD:
            LOG.warning(
                "%s: %s of the observation reaches %.3g, %s only %.3g, a factor of %.2g: networks "
                "hardly see the smaller; set learning.normalise_observations to true, or scale "
                "the observations",
                self._name, most, sizes[most], least, sizes[least], factor,
            )  # fmt: skip
