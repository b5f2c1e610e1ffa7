"""Transfer problems: a source, a target, and the view that makes a target look like the source."""

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.informed import informed
from handrail.envs.base import AbstractEnvironment, BoxActions, DiscreteActions


class AbstractView(eqx.Module):
    """Ξ of arXiv:2307.14316: maps an observation of the target to one of the source."""

    @abc.abstractmethod
    def __call__(self, observation: Any) -> Any:
        """What the source's policy sees in place of the target's observation."""

    @abc.abstractmethod
    def completed(self, source: Any, target: Any) -> Any:
        """An observation of the target of which the view shows `source`; the rest is `target`'s.

        Raises `HandrailError` where the view cannot be undone.
        """


class SameView(AbstractView):
    """Source and target are observed alike."""

    def __call__(self, observation: Any) -> Any:
        return observation

    def completed(self, source: Any, target: Any) -> Any:
        return source


class View(AbstractView):
    """Named parts of the target's observation, in the order and by the names of the source.

    `View.keep(["gyro", "hazards_lidar"])` drops all other parts; `View.rename({"danger_lidar":
    "hazards_lidar"})` gives the source's name first and the target's second. Parts keep any
    leading batch axes.
    """

    parts: tuple[tuple[str, str], ...] = eqx.field(static=True)

    def __check_init__(self):
        names = [source for source, _ in self.parts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise HandrailError(f"the view gives the part {twice[0]!r} twice; name it once")

    @staticmethod
    def keep(names: Iterable[str]) -> "View":
        """The parts with these names, which are the same in source and target."""
        return View(tuple((name, name) for name in names))

    @staticmethod
    def rename(parts: Mapping[str, str]) -> "View":
        """The source's name of each part, and the target's name of the same part."""
        return View(tuple(parts.items()))

    def __call__(self, observation: Any) -> dict[str, Any]:
        """Raises `HandrailError` if the observation lacks a part that the view needs."""
        if not isinstance(observation, Mapping):
            raise HandrailError(
                "the view selects parts by name, but the observation is "
                "one array, not a dictionary of named parts; use SameView, or observe named parts"
            )
        for _, name in self.parts:
            if name not in observation:
                raise HandrailError(
                    f"the view needs the part {name!r} of the target's observation, "
                    f"which has {', '.join(sorted(observation)) or 'no parts'}"
                )
        return {source: observation[target] for source, target in self.parts}

    def completed(self, source: Any, target: Any) -> dict[str, Any]:
        return {**target, **{theirs: source[own] for own, theirs in self.parts}}


@dataclasses.dataclass(frozen=True)
class TransferProblem:
    """Where knowledge about safety is learnt, where it is used, and the view between them.

    Source and target are compiled environments, or Gymnasium environments with dictionary or
    box observations. Raises `HandrailError` unless the actions are the same and the view turns
    the target's observations into ones that the source could have given. Whether they *mean*
    the same (arXiv:2307.14316 asks Ξ to be a Q^c-irrelevance abstraction) has to be measured.
    """

    source: Any
    target: Any
    view: AbstractView
    name: str = "transfer problem"

    def __post_init__(self):
        actions = _actions(self.source), _actions(self.target)
        if actions[0] != actions[1]:
            raise HandrailError(
                f"{self.name}: the source's actions are {actions[0]}, the target's {actions[1]}; "
                "transfer needs the same actions in both"
            )
        given = self.view(observation_shapes(self.target))
        _check_same(self.name, observation_shapes(self.source), given)


def observation_shapes(environment: Any) -> Any:
    """Shapes of an environment's observation: by part if it has named parts."""
    if isinstance(environment, AbstractEnvironment):
        shapes = jax.eval_shape(lambda key: environment.reset(key=key)[1], jax.random.key(0))
        # Wrapped, since a bare tuple of numbers would itself be taken for a tree.
        return jax.tree.map(lambda leaf: _Shape(leaf.shape), shapes)
    space = getattr(environment, "observation_space", None)
    zeros = getattr(environment, "observation_zeros", lambda: None)() if space is None else None
    if zeros is not None:
        return jax.tree.map(lambda leaf: _Shape(leaf.shape), zeros)
    if space is None:
        raise HandrailError(
            f"{type(environment).__name__} is neither a compiled environment nor one with a "
            "Gymnasium `observation_space`"
        )
    parts = getattr(space, "spaces", None)
    if isinstance(parts, Mapping):
        return {name: _Shape(part.shape) for name, part in parts.items()}
    return _Shape(space.shape)


def example_observation(environment: Any) -> Any:
    """An observation of zeros, float32: an array, or a dictionary of named parts."""
    zeros = getattr(environment, "observation_zeros", lambda: None)()
    if zeros is not None:
        return informed(zeros).observation
    shapes = observation_shapes(environment)
    return jax.tree.map(
        lambda part: np.zeros(part.shape, np.float32),
        shapes,
        is_leaf=lambda part: isinstance(part, _Shape),
    )


@dataclasses.dataclass(frozen=True)
class _Shape:
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return str(self.shape)


def _actions(environment: Any) -> str:
    """A description that is equal where the actions are."""
    actions = getattr(environment, "actions", None)
    if isinstance(actions, DiscreteActions):
        return f"{actions.n} discrete actions"
    if isinstance(actions, BoxActions):
        return f"{actions.size} numbers in [{actions.low:g}, {actions.high:g}]"
    return str(getattr(environment, "action_space", actions))


def _check_same(problem: str, expected: Any, given: Any) -> None:
    if not (isinstance(expected, Mapping) and isinstance(given, Mapping)):
        if expected != given:
            raise HandrailError(
                f"{problem}: the view gives {_describe(given)}, "
                f"but the source observes {_describe(expected)}"
            )
        return
    missing = sorted(set(expected) - set(given))
    if missing:
        raise HandrailError(
            f"{problem}: the source observes the part {missing[0]!r}, which the view does not "
            f"give; the view gives {', '.join(sorted(given)) or 'nothing'}"
        )
    extra = sorted(set(given) - set(expected))
    if extra:
        raise HandrailError(
            f"{problem}: the view gives the part {extra[0]!r}, which the source does not "
            f"observe; leave it out"
        )
    for name, shape in expected.items():
        if shape != given[name]:
            raise HandrailError(
                f"{problem}: the part {name!r} has shape {given[name]} in the target "
                f"but {shape} in the source"
            )


def _describe(shapes: Any) -> str:
    if isinstance(shapes, Mapping):
        return "named parts (" + ", ".join(sorted(shapes)) + ")"
    return f"an array of shape {shapes}" if isinstance(shapes, _Shape) else str(shapes)
