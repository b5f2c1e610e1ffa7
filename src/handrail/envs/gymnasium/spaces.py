"""Gymnasium's observation spaces as handrail's: float32, in one array or in named parts.

Gymnasium is never imported here: a space is known by its class name and its fields, so that
Safety-Gymnasium's and other forks' spaces are read as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.artifact import WHOLE
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.images import as_image, image_values, refuse_odd_image
from handrail.envs.gymnasium.numbers import numbered
from handrail.networks.image_network import Images

READABLE = ("Box", "Discrete", "MultiDiscrete", "MultiBinary")
Path = tuple[str | int, ...]
"""Names, and numbers of a `Tuple`, from the outside in."""


def readable_parts(space: Any) -> list[str] | None:
    """The parts that agents can observe; None for a space without parts.

    Parts within parts are named like `sensors.place`, those of a `Tuple` by their numbers.
    """
    if _inner(space) is None:
        return None
    return sorted(name for name, (_, part) in named_parts(space).items() if _readable(part))


def named_parts(space: Any) -> dict[str, tuple[Path, Any]]:
    """The inner parts of a `Dict` or `Tuple` by name: where in an observation, and the space.

    Raises `HandrailError` where two have one name.
    """
    parts: dict[str, tuple[Path, Any]] = {}
    for path, part in _leaves(space, ()):
        name = ".".join(map(str, path))
        if name in parts:
            raise HandrailError(
                f"the observation has two parts that are called {name!r}; rename one of them"
            )
        parts[name] = path, part
    return parts


def how_to_leave_out(space: Any) -> str:
    """How the parts that cannot be read are left out."""
    readable = readable_parts(space)
    if readable:
        return f"leave it out with parts={readable!r}"
    return "wrap the environment so that every part is"


class PartCodec:
    """One array of an observation as float32, an image of bytes as bytes; a `Discrete` number
    becomes one-hot, and so does each number of a `MultiDiscrete`.

    The shape is the space's. The dtype may be any numeric one, but must not change.
    """

    def __init__(self, space: Any, name: str):
        kind = type(space).__name__
        assert _readable(space), f"{kind} should have been refused"
        self.called = f"observation part {name!r}" if name else "observation"
        self.sizes: tuple[int, ...] | None = None
        self.start: Any = getattr(space, "start", 0)
        self.raw_shape: tuple[int, ...] = () if kind == "Discrete" else tuple(space.shape)
        if kind == "Discrete":
            self.sizes = (int(space.n),)
        elif kind == "MultiDiscrete":
            self.sizes = tuple(np.ravel(space.nvec).tolist())
        self.shape = self.raw_shape if self.sizes is None else (sum(self.sizes),)
        self.dtype: np.dtype | None = None
        self.image = image_values(space)

    def __call__(self, raw: Any) -> np.ndarray:
        try:
            array = np.asarray(raw)
        except ValueError:
            array = np.asarray(None)
        if array.shape != self.raw_shape or array.dtype.kind not in "fiub":
            raise HandrailError(
                f"the {self.called} has shape {array.shape} and dtype {array.dtype}; expected "
                f"numbers of shape {self.raw_shape}, as the observation space says"
            )
        if self.dtype is None:
            self.dtype = array.dtype
        if array.dtype != self.dtype and self.sizes is None:
            raise HandrailError(
                f"the dtype of the {self.called} changed from {self.dtype} to {array.dtype}; "
                "return one dtype at every step"
            )
        if self.sizes is not None:
            return self._one_hot(array, self.sizes)
        if self.image is not None:
            return as_image(array, self.image, self.called)
        converted = np.array(array, np.float32)
        if not np.isfinite(converted).all():
            wrong = np.argwhere(~np.isfinite(converted))[0].tolist()
            raise HandrailError(f"the {self.called} is not finite (NaN or infinite) at {wrong}")
        return converted

    def zeros(self) -> np.ndarray:
        """For shape and dtype."""
        return np.zeros(self.shape, np.float32 if self.image is None else self.image.dtype)

    def _one_hot(self, array: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        hot, begin = np.zeros(self.shape, np.float32), 0
        starts = np.ravel(np.broadcast_to(self.start, self.raw_shape)).tolist()
        for value, n, start in zip(array.ravel().tolist(), sizes, starts, strict=True):
            hot[begin + numbered(self.called, value, start, n)] = 1
            begin += n
        return hot


class ObservationCodec:
    """Observations as one float32 array, or as a dictionary of named ones; images of bytes stay
    bytes.

    `parts` keeps only these parts of a `Dict` or `Tuple`; the name of one that has parts itself
    keeps all of those. Values are cast, never rescaled.
    """

    def __init__(self, space: Any, parts: Sequence[str] | None = None):
        if parts is not None and (
            not isinstance(parts, Sequence)
            or isinstance(parts, str)
            or not all(isinstance(name, str) for name in parts)
        ):
            raise HandrailError(
                f"parts is {parts!r}; expected a list of the names of parts, such as ['position']"
            )
        self.named = _inner(space) is not None
        if not self.named:
            if parts is not None:
                raise HandrailError(
                    f"parts={list(parts)!r} names parts, but the observation space is a "
                    f"{type(space).__name__} without named parts; leave `parts` out"
                )
            if not _readable(space):
                raise HandrailError(
                    f"the observation space is a {type(space).__name__}; expected "
                    f"{', '.join(READABLE)}, or a Dict or Tuple of them; wrap the environment, for "
                    "example with gymnasium.wrappers.TransformObservation"
                )
            self.codecs, self.spaces = {"": PartCodec(space, "")}, {"": space}
            return
        spaces = named_parts(space)
        names = sorted(spaces) if parts is None else _chosen(parts, spaces)
        if not names:
            raise HandrailError(
                f"parts={list(parts or ())!r}: the observation has "
                f"{', '.join(sorted(spaces)) or 'no parts'}"
            )
        for name in names:
            kind = type(spaces[name][1]).__name__
            if kind not in READABLE:
                raise HandrailError(
                    f"the observation's part {name!r} is a {kind}; expected "
                    f"{', '.join(READABLE)}; {how_to_leave_out(space)}"
                )
        self.spaces = {name: spaces[name][1] for name in names}
        self.codecs = {name: PartCodec(space, name) for name, space in self.spaces.items()}
        self._paths = {name: spaces[name][0] for name in names}

    def __call__(self, raw: Any) -> np.ndarray | dict[str, np.ndarray]:
        """Raises `HandrailError` for a wrong shape, a dtype that changed, NaN or infinity."""
        if not self.named:
            return self.codecs[""](raw)
        return {name: codec(_part(raw, self._paths[name])) for name, codec in self.codecs.items()}

    def zeros(self) -> np.ndarray | dict[str, np.ndarray]:
        """An observation of zeros, for shapes and dtypes."""
        blank = {name: codec.zeros() for name, codec in self.codecs.items()}
        return blank if self.named else blank[""]

    @property
    def images(self) -> Images:
        """The parts that are images, by the names that cards give them."""
        return {
            name or WHOLE: codec.image
            for name, codec in self.codecs.items()
            if codec.image is not None
        }

    def refuse_odd_images(self) -> None:
        """Raises `HandrailError` for images that no network can read: without channels, with the
        channels first, without bounds.
        """
        for name, codec in self.codecs.items():
            refuse_odd_image(self.spaces[name], codec.called)


def _readable(space: Any) -> bool:
    """Whether an array is made of it."""
    return type(space).__name__ in READABLE


def _inner(space: Any) -> list[tuple[Any, Any]] | None:
    """Names or numbers and spaces of the parts of a `Dict` or `Tuple`; None of another space."""
    inner = getattr(space, "spaces", None)
    if isinstance(inner, Mapping):
        return list(inner.items())
    return list(enumerate(inner or ())) if type(space).__name__ == "Tuple" else None


def _leaves(space: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Paths and spaces of the inner parts."""
    for name, part in _inner(space) or ():
        if _inner(part) is None:
            yield (*path, name), part
        else:
            yield from _leaves(part, (*path, name))


def _chosen(parts: Sequence[str], spaces: Mapping[str, Any]) -> list[str]:
    """The inner parts that these names mean; none where one of them means nothing."""
    found = []
    for name in parts:
        within = [one for one in sorted(spaces) if one == name or one.startswith(f"{name}.")]
        if not within:
            return []
        found += within
    return found


def _part(raw: Any, path: Path) -> Any:
    """The part of an observation at this path. Raises `HandrailError` where there is none."""
    at = ""
    for name in path:
        kind = tuple | list if isinstance(name, int) else Mapping
        if not isinstance(raw, kind):
            of = f"part {at!r} of the observation" if at else "observation"
            expected = "tuple" if isinstance(name, int) else "dictionary"
            raise HandrailError(
                f"the {of} is a {type(raw).__name__}; expected a {expected} with {name!r}"
            )
        missing = name >= len(raw) if isinstance(name, int) else name not in raw
        if missing:
            has = ", ".join(sorted(raw)) if isinstance(raw, Mapping) else f"{len(raw)} entries"
            raise HandrailError(
                f"the observation lacks the part {name!r} of its space; it has {has or 'no parts'}"
            )
        taken: Any = raw
        raw, at = taken[name], f"{at}.{name}" if at else str(name)
    return raw
