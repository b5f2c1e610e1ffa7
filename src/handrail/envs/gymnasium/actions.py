"""Gymnasium's action spaces as handrail's: numbers within [−1, 1], or one numbered choice.

Several choices are numbered as one, several boxes are one vector. Gymnasium is never imported: a
space is known by its class name and its fields, so that other forks' spaces are read as well.
"""

import abc
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.base import ActionSpace, BoxActions, DiscreteActions, zero_action
from handrail.envs.gymnasium.numbers import numbered
from handrail.envs.wrapping import bounded, whole_numbers

MOST_CHOICES = 1_000
"""Combinations up to which a space of several choices is proposed as one `Discrete`."""
ROUNDING = 1e-4
"""How far an action may leave [−1, 1]: more than float32 rounds, less than anyone means."""


class AbstractActionCodec(abc.ABC):
    """Actions of an agent as actions of an environment, and back."""

    actions: ActionSpace

    @abc.abstractmethod
    def to_environment(self, action: Any) -> Any:
        """The environment's form of an agent's action. Raises `HandrailError` if it has none."""

    @abc.abstractmethod
    def from_environment(self, action: Any) -> np.ndarray:
        """The agent's form of an action of the environment; beyond the bounds it is clipped."""

    def within_bounds(self, action: Any) -> Any:
        """An action of the environment, cut off at the bounds; itself where it is within them."""
        return action

    @abc.abstractmethod
    def agent_form(self, action: Any) -> Any:
        """The agent's form of an action of the environment, of arrays of JAX, not clipped.

        Raises `HandrailError` for another shape.
        """

    def zeros(self) -> np.ndarray:
        """An agent's action of zeros, for shape and dtype."""
        return np.asarray(zero_action(self.actions))

    @abc.abstractmethod
    def bounds(self) -> dict[str, list[float]]:
        """What an agent's action stands for, to be compared between source and target."""


class DiscreteCodec(AbstractActionCodec):
    """`Discrete(n, start)`: agents count from 0."""

    def __init__(self, space: Any):
        self.n = int(space.n)
        self.actions = DiscreteActions(self.n)
        self.start = int(getattr(space, "start", 0))

    def to_environment(self, action: Any) -> int:
        return numbered("action", action, 0, self.n) + self.start

    def from_environment(self, action: Any) -> np.ndarray:
        return np.asarray(numbered("action", action, self.start, self.n), np.int32)

    def agent_form(self, action: Any) -> Any:
        action = _array(action)
        _check_shape(action, ())
        return action - self.start

    def bounds(self) -> dict[str, list[float]]:
        return {}


class BoxCodec(AbstractActionCodec):
    """A bounded `Box`: agents act in [−1, 1], one flat vector whatever the box's shape.

    A number whose low equals its high, such as a locked joint, has that value whatever they do.
    """

    def __init__(self, space: Any):
        if not np.issubdtype(space.dtype, np.floating):
            raise HandrailError(
                f"the action space is a Box of {space.dtype}; expected real numbers: "
                + whole_numbers(space)
            )
        low, high = np.ravel(space.low), np.ravel(space.high)
        loose = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
        if loose.size:
            raise HandrailError(
                f"the action space is unbounded in {loose.size} of {low.size} numbers (number "
                f"{loose[0]} is the first); {bounded(space)}"
            )
        if low.size == 0 or (low > high).any() or (low == high).all():
            raise HandrailError(
                f"the action space has low {low.tolist()} and high {high.tolist()}; "
                "expected low < high, or low = high for numbers that stay as they are"
            )
        self.size = int(low.size)
        self.actions = BoxActions(self.size)
        self.shape, self.dtype = space.shape, space.dtype
        self.low, self.high = low, high
        self.centre = (low.astype(np.float64) + high) / 2
        self.half = (high.astype(np.float64) - low) / 2
        self._divisor = np.where(self.half > 0, self.half, np.inf)

    def to_environment(self, action: Any) -> np.ndarray:
        given = _vector(action, self.size)
        scaled = (self.centre + _clipped(given, -1.0, 1.0) * self.half).astype(self.dtype)
        if (np.abs(given) > 1 + ROUNDING).any():
            raise HandrailError(
                f"the action is {given.tolist()}, beyond [-1, 1], which stand for the bounds "
                f"{self.low.tolist()} and {self.high.tolist()}: it would be "
                f"{(self.centre + given * self.half).tolist()} in the environment's units. Give "
                "Policy(..., units='environment') for a controller in the environment's units, and "
                "clip what it may give beyond the bounds"
            )
        # float32 can round a bound outwards
        return _clipped(scaled, self.low, self.high).reshape(self.shape)

    def from_environment(self, action: Any) -> np.ndarray:
        given = np.asarray(action, np.float64)
        if given.shape != self.shape or not np.isfinite(given).all():
            raise HandrailError(
                f"the action is {np.asarray(action).tolist()!r}; "
                f"expected finite numbers of shape {self.shape}"
            )
        scaled = (given.ravel() - self.centre) / self._divisor
        return _clipped(scaled, -1.0, 1.0).astype(np.float32)

    def within_bounds(self, action: Any) -> Any:
        given = np.ravel(action)
        if ((given >= self.low) & (given <= self.high)).all():
            return action
        return _clipped(given, self.low, self.high).astype(self.dtype).reshape(self.shape)

    def agent_form(self, action: Any) -> Any:
        action = _array(action)
        _check_shape(action, self.shape)
        centre, half = self.centre.astype(np.float32), self._divisor.astype(np.float32)
        return (action.reshape(-1) - centre) / half

    def bounds(self) -> dict[str, list[float]]:
        return {"low": self.low.astype(float).tolist(), "high": self.high.astype(float).tolist()}


class ChoicesCodec(AbstractActionCodec):
    """`MultiDiscrete` and `MultiBinary`: their combinations, numbered; the last changes first."""

    def __init__(self, space: Any):
        self.shape, self.dtype = tuple(space.shape), space.dtype
        self.sizes = choices(space)
        start = getattr(space, "start", None)
        self.start = np.zeros(len(self.sizes), np.int64) if start is None else np.ravel(start)
        self.n = math.prod(self.sizes)
        self.actions = DiscreteActions(self.n)

    def to_environment(self, action: Any) -> np.ndarray:
        chosen = np.unravel_index(numbered("action", action, 0, self.n), self.sizes)
        return (np.array(chosen) + self.start).astype(self.dtype).reshape(self.shape)

    def from_environment(self, action: Any) -> np.ndarray:
        given = np.asarray(action)
        chosen = given.ravel() - self.start if given.shape == self.shape else None
        inside = chosen is not None and given.dtype.kind in "biu"
        if not inside or (chosen < 0).any() or (chosen >= self.sizes).any():
            raise HandrailError(
                f"the action is {given.tolist()!r}; expected whole numbers of shape {self.shape}, "
                f"each one of {', '.join(map(str, self.sizes))} choices"
            )
        return np.asarray(np.ravel_multi_index(chosen, self.sizes), np.int32)

    def agent_form(self, action: Any) -> Any:
        action = _array(action)
        _check_shape(action, self.shape)
        weights = np.append(np.cumprod(self.sizes[:0:-1])[::-1], 1)
        chosen = action.ravel() - self.start
        inside = (chosen >= 0) & (chosen < np.asarray(self.sizes)) & (chosen == chosen.round())
        library = np if isinstance(action, np.ndarray | np.generic) else jnp
        # −1 is no action, and refused where it would be taken: what is traced cannot raise here
        return library.where(inside.all(), (chosen * weights).sum(), -1).astype(np.int32)

    def bounds(self) -> dict[str, list[float]]:
        return {}


class PartsCodec(AbstractActionCodec):
    """A `Dict` or `Tuple` of boxes, nested or not: one flat vector in [−1, 1], part by part."""

    def __init__(self, space: Any):
        self.space = space
        self.codecs = tuple(map(BoxCodec, leaves(space)))
        self.ends = np.cumsum([codec.size for codec in self.codecs]).tolist()
        self.size = self.ends[-1]
        self.actions = BoxActions(self.size)

    def to_environment(self, action: Any) -> Any:
        given = _vector(action, self.size)
        parts = np.split(given, self.ends[:-1])
        pairs = zip(self.codecs, parts, strict=True)
        return _built(self.space, iter([codec.to_environment(part) for codec, part in pairs]))

    def from_environment(self, action: Any) -> np.ndarray:
        parts = zip(self.codecs, _taken(self.space, action), strict=True)
        return np.concatenate([codec.from_environment(part) for codec, part in parts])

    def within_bounds(self, action: Any) -> Any:
        parts = zip(self.codecs, _taken(self.space, action), strict=True)
        return _built(self.space, iter([codec.within_bounds(part) for codec, part in parts]))

    def agent_form(self, action: Any) -> Any:
        parts = zip(self.codecs, _taken(self.space, action), strict=True)
        each = [codec.agent_form(part) for codec, part in parts]
        on_host = all(isinstance(part, np.ndarray) for part in each)
        return (np if on_host else jnp).concatenate(each)

    def bounds(self) -> dict[str, list[float]]:
        each = [codec.bounds() for codec in self.codecs]
        return {end: [number for one in each for number in one[end]] for end in ("low", "high")}


def action_codec(space: Any) -> AbstractActionCodec:
    """The codec of an action space; one that has none is refused, with a wrapper for it."""
    kind = type(space).__name__
    if kind == "Discrete":
        return DiscreteCodec(space)
    if kind == "Box":
        return BoxCodec(space)
    sizes = choices(space)
    if sizes and math.prod(sizes) <= MOST_CHOICES:
        return ChoicesCodec(space)
    if kind in ("Dict", "Tuple") and {type(leaf).__name__ for leaf in leaves(space)} == {"Box"}:
        return PartsCodec(space)
    raise HandrailError(
        f"the action space is a {kind}; expected Box, Discrete, a Dict or Tuple of Box, or a "
        f"MultiDiscrete or MultiBinary of at most {MOST_CHOICES:,} combinations: wrap the "
        "environment with gymnasium.wrappers.TransformAction(env, function, space), where `space` "
        "is one of those and `function` makes the environment's action of its"
    )


def choices(space: Any) -> tuple[int, ...]:
    """How many choices there are for each number of a space of several; none for other spaces."""
    kind = type(space).__name__
    if kind == "MultiDiscrete":
        return tuple(np.ravel(space.nvec).tolist())
    return (2,) * math.prod(space.shape) if kind == "MultiBinary" else ()


def leaves(space: Any) -> Iterator[Any]:
    """The spaces within a `Dict` or `Tuple`, in its order; a space without parts is its own."""
    inner = getattr(space, "spaces", None)
    if inner is None:
        yield space
        return
    for part in inner.values() if isinstance(inner, Mapping) else inner:
        yield from leaves(part)


def _built(space: Any, parts: Iterator[Any]) -> Any:
    """An action of a space of parts, from those of its leaves."""
    inner = getattr(space, "spaces", None)
    if inner is None:
        return next(parts)
    if isinstance(inner, Mapping):
        return {name: _built(part, parts) for name, part in inner.items()}
    return tuple(_built(part, parts) for part in inner)


def _taken(space: Any, action: Any) -> list[Any]:
    """The parts of an action, in the order of the leaves."""
    inner = getattr(space, "spaces", None)
    if inner is None:
        return [action]
    named = isinstance(inner, Mapping)
    right = isinstance(action, Mapping if named else Sequence) and len(action) == len(inner)
    if not right or (named and set(action) != set(inner)):
        expected = f"with {', '.join(inner)}" if named else f"of {len(inner)} parts"
        raise HandrailError(
            f"the action is a {type(action).__name__}; expected a {type(space).__name__.lower()} "
            f"{expected}"
        )
    pairs = [(inner[k], action[k]) for k in (inner if named else range(len(inner)))]
    return [leaf for part, value in pairs for leaf in _taken(part, value)]


def _array(action: Any) -> Any:
    """NumPy's arrays as they are, so that the host calls no JAX; all else as one of JAX."""
    return action if isinstance(action, np.ndarray | np.generic) else jnp.asarray(action)


def _vector(action: Any, size: int) -> np.ndarray:
    """An agent's real action, found to be so many finite numbers."""
    given = np.asarray(action, np.float64)
    if given.shape != (size,) or not np.isfinite(given).all():
        raise HandrailError(
            f"the action is {np.asarray(action).tolist()!r}; "
            f"expected {size} finite numbers in [-1, 1]"
        )
    return given


def _check_shape(action: Any, shape: tuple[int, ...]) -> None:
    if action.shape != shape:
        raise HandrailError(
            f"a policy in the environment's units gives an action of shape {action.shape}; "
            f"expected {shape}, as the action space says"
        )


def _clipped(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """`np.clip`, which takes longer than all else in a step together."""
    return np.minimum(np.maximum(values, low), high)
