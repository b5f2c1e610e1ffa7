"""Gymnasium's spaces as handrail's: actions within [−1, 1] or numbered, float32 observations.

Gymnasium is never imported here: a space is known by its class name and its fields, so that
Safety-Gymnasium's and other forks' spaces are read as well.
"""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.base import ActionSpace, BoxActions, DiscreteActions, zero_action
from handrail.envs.wrapping import bounded, to_box_or_discrete, whole_numbers

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

    @abc.abstractmethod
    def agent_form(self, action: Any) -> Any:
        """The agent's form of an action of the environment, an array of JAX, not clipped.

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
        return _numbered("action", action, 0, self.n) + self.start

    def from_environment(self, action: Any) -> np.ndarray:
        return np.asarray(_numbered("action", action, self.start, self.n), np.int32)

    def agent_form(self, action: Any) -> Any:
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
        given = np.asarray(action, np.float64)
        if given.shape != (self.size,) or not np.isfinite(given).all():
            raise HandrailError(
                f"the action is {np.asarray(action).tolist()!r}; "
                f"expected {self.size} finite numbers in [-1, 1]"
            )
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

    def agent_form(self, action: Any) -> Any:
        _check_shape(action, self.shape)
        centre, half = self.centre.astype(np.float32), self._divisor.astype(np.float32)
        return (action.reshape(-1) - centre) / half

    def bounds(self) -> dict[str, list[float]]:
        return {"low": self.low.astype(float).tolist(), "high": self.high.astype(float).tolist()}


def action_codec(space: Any) -> AbstractActionCodec:
    """The codec of an action space; other spaces than Box and Discrete are refused by name."""
    kind = type(space).__name__
    if kind == "Discrete":
        return DiscreteCodec(space)
    if kind == "Box":
        return BoxCodec(space)
    raise HandrailError(
        f"the action space is a {kind}; expected Box or Discrete: {to_box_or_discrete(space)}"
    )


_READABLE = ("Box", "Discrete")


def readable_parts(space: Any) -> list[str] | None:
    """The parts of a `Dict` that agents can observe; None for a space without named parts."""
    spaces = getattr(space, "spaces", None)
    if not isinstance(spaces, Mapping):
        return None
    return sorted(name for name, part in spaces.items() if type(part).__name__ in _READABLE)


FLATTENED = (*_READABLE, "Dict", "Tuple", "MultiDiscrete", "MultiBinary")


def how_to_read(space: Any) -> str:
    """How the parts of a `Dict` that are neither Box nor Discrete are kept, or left out."""
    readable = readable_parts(space) or []
    ways = []
    if all(map(_flattens, (space.spaces or {}).values())):
        ways = ["keep all of them as one array with gymnasium.wrappers.FlattenObservation(env)"]
    if readable:
        ways.append(f"leave it out with parts={readable!r}")
    return ", or ".join(ways) or "wrap the environment so that every part is"


def _flattens(space: Any) -> bool:
    """Whether `FlattenObservation` makes one array of it."""
    inner = getattr(space, "spaces", ())
    within = inner.values() if isinstance(inner, Mapping) else inner
    return type(space).__name__ in FLATTENED and all(map(_flattens, within))


class PartCodec:
    """One array of an observation as float32; a `Discrete` number becomes one-hot.

    The shape is the space's. The dtype may be any numeric one, but must not change.
    """

    def __init__(self, space: Any, name: str):
        kind = type(space).__name__
        assert kind in _READABLE, f"{kind} should have been refused"
        self.called = f"observation part {name!r}" if name else "observation"
        self.start = int(getattr(space, "start", 0)) if kind == "Discrete" else None
        self.raw_shape: tuple[int, ...] = () if kind == "Discrete" else tuple(space.shape)
        self.shape: tuple[int, ...] = (int(space.n),) if kind == "Discrete" else self.raw_shape
        self.dtype: np.dtype | None = None

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
        if array.dtype != self.dtype and self.start is None:
            raise HandrailError(
                f"the dtype of the {self.called} changed from {self.dtype} to {array.dtype}; "
                "return one dtype at every step"
            )
        if self.start is not None:
            return self._one_hot(array)
        converted = np.array(array, np.float32)
        if not np.isfinite(converted).all():
            wrong = np.argwhere(~np.isfinite(converted))[0].tolist()
            raise HandrailError(f"the {self.called} is not finite (NaN or infinite) at {wrong}")
        return converted

    def _one_hot(self, array: np.ndarray) -> np.ndarray:
        hot = np.zeros(self.shape, np.float32)
        hot[_numbered(self.called, array.item(), self.start or 0, self.shape[0])] = 1
        return hot


class ObservationCodec:
    """Observations as one float32 array, or as a dictionary of named ones.

    `parts` keeps only these parts of a `Dict`. Values are cast, never rescaled.
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
        spaces = getattr(space, "spaces", None)
        self.named = isinstance(spaces, Mapping)
        if not isinstance(spaces, Mapping):
            if parts is not None:
                raise HandrailError(
                    f"parts={list(parts)!r} names parts, but the observation space is a "
                    f"{type(space).__name__} without named parts; leave `parts` out"
                )
            if type(space).__name__ not in _READABLE:
                raise HandrailError(
                    f"the observation space is a {type(space).__name__}; expected Box, Discrete or "
                    "a Dict of them; wrap the environment, for example with "
                    "gymnasium.wrappers.FlattenObservation"
                )
            self.codecs = {"": PartCodec(space, "")}
            return
        names = sorted(spaces) if parts is None else list(parts)
        if not names or set(names) - set(spaces):
            raise HandrailError(
                f"parts={names!r}: the observation has {', '.join(sorted(spaces)) or 'no parts'}"
            )
        refused = [name for name in names if type(spaces[name]).__name__ not in _READABLE]
        if refused:
            raise HandrailError(
                f"the observation's part {refused[0]!r} is a {type(spaces[refused[0]]).__name__}; "
                f"expected Box or Discrete; {how_to_read(space)}"
            )
        self.codecs = {name: PartCodec(spaces[name], name) for name in names}

    def __call__(self, raw: Any) -> np.ndarray | dict[str, np.ndarray]:
        """Raises `HandrailError` for a wrong shape, a dtype that changed, NaN or infinity."""
        if not self.named:
            return self.codecs[""](raw)
        if not isinstance(raw, Mapping):
            raise HandrailError(
                f"the observation is a {type(raw).__name__}; expected a dictionary with "
                f"{', '.join(self.codecs)}"
            )
        missing = sorted(set(self.codecs) - set(raw))
        if missing:
            raise HandrailError(
                f"the observation lacks the part {missing[0]!r} of its space; "
                f"it has {', '.join(sorted(raw)) or 'no parts'}"
            )
        return {name: codec(raw[name]) for name, codec in self.codecs.items()}

    def zeros(self) -> np.ndarray | dict[str, np.ndarray]:
        """An observation of zeros, for shapes and dtypes."""
        blank = {name: np.zeros(codec.shape, np.float32) for name, codec in self.codecs.items()}
        return blank if self.named else blank[""]


def _check_shape(action: Any, shape: tuple[int, ...]) -> None:
    if action.shape != shape:
        raise HandrailError(
            f"a policy in the environment's units gives an action of shape {action.shape}; "
            f"expected {shape}, as the action space says"
        )


def _clipped(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """`np.clip`, which takes longer than all else in a step together."""
    return np.minimum(np.maximum(values, low), high)


def _numbered(what: str, value: Any, first: int, count: int) -> int:
    """Which of `count` numbers from `first` on it is, from 0."""
    array = np.asarray(value)  # of True, 1.5 or several numbers it is none
    number = int(array.reshape(())) if array.size == 1 and array.dtype.kind in "iu" else None
    if number is None or not 0 <= number - first < count:
        raise HandrailError(
            f"the {what} is {value!r}; expected one number from {first} to {first + count - 1}"
        )
    return number - first
