"""What an environment says beside an observation: numbers of `info`, and which actions are allowed.

On the host it travels with the observation, as `Informed`, so that every loop carries it. It is
taken apart where a decision is made: learners never see `info`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax

from handrail.core.errors import HandrailError


class Informed(NamedTuple):
    """An observation and what came beside it."""

    observation: Any
    info: Mapping[str, Any] = {}
    """Numbers by name; NaN where the environment did not say one."""
    allowed: Any = None
    """True for each action that may be taken; None where all may."""

    @property
    def learners(self) -> Any:
        """What a learner is shown: the observation, beside it the mask alone, if there is one."""
        return self.observation if self.allowed is None else self._replace(info={})


def informed(observation: Any) -> Informed:
    """The observation with what came beside it; nothing where it came alone."""
    return observation if isinstance(observation, Informed) else Informed(observation)


@jax.tree_util.register_pytree_node_class
class Info(Mapping[str, Any]):
    """Numbers of `info` by name, as a trigger reads them: those that were asked for.

    Another name is a `HandrailError`, also of `get` and `in`, so that a guard that has forgotten to
    ask is never silent.
    """

    def __init__(self, numbers: Mapping[str, Any] | None = None):
        self._numbers = dict(numbers or {})

    def __getitem__(self, name: str) -> Any:
        if name not in self._numbers:
            asked = f"only {sorted(self._numbers)} were" if self._numbers else "nothing was"
            raise HandrailError(
                f"info[{name!r}] is read, but {asked} asked for: name it, as "
                f"shield(condition, policy, info=[{name!r}]) or WithInfo(trigger, [{name!r}])"
            )
        return self._numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def tree_flatten(self) -> tuple[list[Any], tuple[str, ...]]:
        """Numbers in the order of their names, and the names."""
        names = tuple(sorted(self._numbers))
        return [self._numbers[name] for name in names], names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], numbers: Any) -> "Info":
        """The inverse."""
        return cls(dict(zip(names, numbers, strict=True)))
