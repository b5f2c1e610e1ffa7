"""Which spaces are images, and what is said of those that cannot be read."""

import gymnasium
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.scales import LOOKED_AT, ScaleWatch
from handrail.envs.gymnasium.spaces import ObservationCodec
from handrail.networks.image_network import BYTES, ImageValues

Box = gymnasium.spaces.Box


def box(*shape, low=0, high=255, dtype=np.uint8):
    return Box(low, high, shape, dtype)


@pytest.mark.parametrize(
    ("space", "values"),
    [
        (box(32, 40, 3), BYTES),
        (box(84, 84, 1), BYTES),
        (box(4, 84, 84, 3), BYTES),
        (box(64, 64, 64), BYTES),
        (box(32, 32, 3, dtype=np.int64), BYTES),
        (box(32, 32, 3, low=-1, high=1, dtype=np.float64), ImageValues(-1, 1, "float32")),
        (box(7, 7, 3), None),  # MiniGrid's grid
        (box(31, 84, 3), None),
        (box(64, 5, 64, low=0, high=1, dtype=np.float32), None),
        (box(5, 64, 64, low=-np.inf, high=np.inf, dtype=np.float32), None),
        (box(1000, low=-np.inf, high=np.inf, dtype=np.float32), None),
        (box(40, 40, low=-1, high=1, dtype=np.float32), None),
    ],
)
def test_what_is_an_image(space, values):
    codec = ObservationCodec(space)
    codec.refuse_odd_images()
    assert codec.images == ({} if values is None else {"observation": values})
    assert codec.zeros().dtype == ("float32" if values is None else values.dtype)
    assert codec.zeros().shape == space.shape


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (box(84, 84), r"\(84, 84\), an image without channels.*\[\.\.\., None\].*\(84, 84, 1\)"),
        (box(3, 84, 96), r"channels first.*moveaxis\(image, 0, -1\).*\(84, 96, 3\)"),
        (box(4, 3, 84, 96), r"channels first.*moveaxis\(image, 1, -1\).*\(4, 84, 96, 3\)"),
        (box(4, 84, 84, low=0, high=1, dtype=np.float32), "channels first"),
        (box(64, 64, 3, low=0, high=np.inf, dtype=np.float32), r"without finite bounds.*declare"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_way_out(space, words):
    codec = ObservationCodec(gymnasium.spaces.Dict({"camera": space, "speed": Box(-1, 1, (2,))}))
    assert codec.images == {}  # an intervention may still look at it
    with pytest.raises(HandrailError, match=words) as error:
        codec.refuse_odd_images()
    assert "part 'camera'" in str(error.value) and "\n" not in str(error.value)
    ObservationCodec(
        gymnasium.spaces.Dict({"camera": space, "speed": Box(-1, 1, (2,))}), ["speed"]
    ).refuse_odd_images()


@pytest.mark.parametrize(
    ("space", "image", "words"),
    [
        (box(32, 32, 3), np.full((32, 32, 3), 0.5, np.float32), r"float32.*0\.5 to 0\.5.*bytes"),
        (box(32, 32, 3), np.full((32, 32, 3), 256, np.int64), r"256 to 256, beyond.*0 and 255"),
        (box(32, 32, 3, high=1, dtype=np.float32), np.full((32, 32, 3), 1.5, np.float32),
         r"from 1\.5 to 1\.5, beyond.*0 and 1 "),
        (box(32, 32, 3, high=1, dtype=np.float32), np.full((32, 32, 3), np.nan, np.float32), "nan"),
        (box(32, 32, 3), np.zeros((3, 32, 32), np.uint8), r"shape \(3, 32, 32\)"),
    ],
)  # fmt: skip
def test_values_other_than_declared_are_refused(space, image, words):
    with pytest.raises(HandrailError, match=words):
        ObservationCodec(space)(image)


def test_an_image_is_copied_as_bytes():
    image = np.zeros((32, 32, 3), np.uint8)
    seen = ObservationCodec(box(32, 32, 3))(image)
    image[:] = 9
    assert seen.dtype == np.uint8 and not seen.any()
    other = ObservationCodec(box(32, 32, 3, dtype=np.int64))(np.full((32, 32, 3), 200, np.int64))
    assert other.dtype == np.uint8 and (other == 200).all()


def shown(observations, images=()):
    watch = ScaleWatch("Toy", images)
    for observation in observations:
        watch(observation)


def test_scales_that_differ_wildly_are_warned_of_once(caplog):
    wild = {"height": np.array([2.0]), "pressure": np.array([1e5, 0.0]), "off": np.zeros(1)}
    shown([wild] * (2 * LOOKED_AT))
    assert len(caplog.messages) == 1
    (message,) = caplog.messages
    assert "'pressure'" in message and "'height'" in message and "5e+04" in message
    assert "normalise_observations" in message


def test_images_and_like_scales_are_not_warned_of(caplog):
    shown([{"image": np.full((32, 32, 1), 255), "speed": np.array([0.01])}] * LOOKED_AT, {"image"})
    shown([{"a": np.array([1.0]), "b": np.array([500.0])}] * LOOKED_AT)
    shown([np.array([1e6, 0.0])] * LOOKED_AT)
    assert caplog.messages == []
    shown([np.array([1e6, 1.0])] * LOOKED_AT)
    assert "number 0" in caplog.messages[0] and "number 1" in caplog.messages[0]
