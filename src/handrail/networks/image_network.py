"""Settings of the convolutions that read images, and what the numbers of an image are."""

import dataclasses
from collections.abc import Mapping

from handrail.core.arguments import Count
from handrail.core.errors import HandrailError


@dataclasses.dataclass(frozen=True)
class ImageNetwork:
    """Convolutions that read images, then layers that read them beside the rest.

    The default is the network of Mnih et al. 2015, as in arXiv:2503.10318.
    """

    channels: tuple[Count, ...] = (32, 64, 64)
    """Output channels of each convolution."""
    kernels: tuple[Count, ...] = (8, 4, 3)
    """Side of each kernel, pixels; there is no padding."""
    strides: tuple[Count, ...] = (4, 2, 1)
    """Stride of each convolution, pixels."""
    hidden: tuple[Count, ...] = (512,)
    """Fully connected layers behind them, which also read what is no image."""

    def __post_init__(self):
        lengths = [len(each) for each in (self.channels, self.kernels, self.strides)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise HandrailError(
                f"images has {lengths[0]} channels, {lengths[1]} kernels and {lengths[2]} strides: "
                "expected one of each for every convolution, such as (32, 64), (8, 4), (4, 2)"
            )

    @property
    def smallest(self) -> int:
        """The side of the smallest image that gives one place of the last convolution, pixels."""
        side = 1
        for kernel, stride in reversed(list(zip(self.kernels, self.strides, strict=True))):
            side = (side - 1) * stride + kernel
        return side

    def sides(self, side: int) -> tuple[int, ...]:
        """Places along one side: of the image, and after each convolution."""
        found = [side]
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            found.append((found[-1] - kernel) // stride + 1)
        return tuple(found)


@dataclasses.dataclass(frozen=True)
class ImageValues:
    """What the numbers of an image are."""

    low: float
    """Black."""
    high: float
    """White."""
    dtype: str
    """`uint8` or `float32`."""

    def __str__(self) -> str:
        return f"{self.dtype} from {self.low:g} to {self.high:g}"


ENCODER_IMAGES = ImageNetwork((32, 32, 32, 32), (3, 3, 3, 3), (2, 1, 1, 1), ())
"""The encoder of arXiv:2503.10318."""
Images = Mapping[str, ImageValues]
"""The images among an observation's parts, by the names that a card gives these."""

BYTES = ImageValues(0, 255, "uint8")
