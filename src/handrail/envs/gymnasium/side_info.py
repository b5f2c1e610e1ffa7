"""What of `info` interventions get to see, and which actions the environment allows."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.informed import Informed
from handrail.envs.base import ActionSpace, DiscreteActions
from handrail.envs.gymnasium.numbers import one_number

MASK = "action_mask"
"""In info, or a part of the observation."""


@dataclasses.dataclass(frozen=True)
class SideInfo:
    """What is asked of an environment beside its observations."""

    info: tuple[str, ...] = ()
    """Names of numbers in `info`, for triggers (`interventions.with_info.info_names`)."""
    action_mask: bool = False
    """Whether it says at every reset and step which of its discrete actions are allowed."""

    def __bool__(self) -> bool:
        return self.action_mask or bool(self.info)


NO_SIDE_INFO = SideInfo()


class ReadSideInfo:
    """Puts beside an observation what was asked for. Raises `HandrailError` where it is not said.

    A mask is an array of truths, or of 0 and 1, one for each action; an episode that goes on allows
    at least one. What follows the end of an episode may allow none, or say nothing: then all
    actions count as allowed, since none will be taken.
    """

    def __init__(self, asked: SideInfo, actions: ActionSpace):
        self._names, self._count = asked.info, 0
        if asked.action_mask:
            if not isinstance(actions, DiscreteActions):
                raise HandrailError(
                    "action_mask is true, but actions are real numbers: only discrete ones can be "
                    "masked; leave it out"
                )
            self._count = actions.n
        self.allowed: np.ndarray | None = None
        """The actions that are allowed now; None where nothing is masked."""

    def parts(self, space: Any, chosen: Sequence[str] | None) -> Sequence[str] | None:
        """The parts that networks observe: by default without the mask, where it is among them."""
        inner = getattr(space, "spaces", None)
        if chosen is not None or not self._count or not isinstance(inner, Mapping):
            return chosen
        return [name for name in inner if name != MASK] if MASK in inner else None

    def zeros(self, observation: Any) -> Any:
        """For shapes and dtypes."""
        if not (self._names or self._count):
            return observation
        mask = np.zeros(self._count, np.bool_) if self._count else None
        return Informed(observation, dict.fromkeys(self._names, np.float32(0)), mask)

    def __call__(
        self, observation: Any, raw: Any, info: Mapping[str, Any], *, first: bool, ended: bool
    ) -> Any:
        """`raw` is the observation as the environment has it, `first` that of a reset."""
        if not (self._names or self._count):
            return observation
        numbers = {name: self._number(name, info, first) for name in self._names}
        self.allowed = self._mask(raw, info, ended) if self._count else None
        return Informed(observation, numbers, self.allowed)

    def refuse_masked(self, action: Any) -> None:
        """Raises `HandrailError` for an action that is not allowed now."""
        if self.allowed is not None and not self.allowed[int(action)]:
            raise HandrailError(
                f"action {int(action)} is not allowed here (action_mask allows "
                f"{np.flatnonzero(self.allowed).tolist()}): whatever acts instead has to choose "
                "among them; a substitute reads them from context.allowed"
            )

    def _number(self, name: str, info: Mapping[str, Any], first: bool) -> np.float32:
        if name not in info:
            if first:
                return np.float32(np.nan)  # a trigger that does not know steps in
            raise HandrailError(
                f"a trigger asks for info[{name!r}], but the info of this step has "
                f"{', '.join(map(repr, info)) or 'nothing'}"
            )
        number = one_number(info[name])
        if number is None:
            raise HandrailError(
                f"a trigger asks for info[{name!r}], which is {info[name]!r}; expected a number"
            )
        return np.float32(number)

    def _mask(self, raw: Any, info: Mapping[str, Any], ended: bool) -> np.ndarray:
        given = info.get(MASK)
        if given is None and isinstance(raw, Mapping):
            given = raw.get(MASK)
        if given is None:
            if ended:
                return np.ones(self._count, np.bool_)
            raise HandrailError(
                "action_mask is true, but neither info nor the observation has an 'action_mask'; "
                "say it at every reset and step, or leave action_mask out"
            )
        mask = np.asarray(given)
        if mask.shape != (self._count,) or not np.isin(mask, (0, 1)).all():
            raise HandrailError(
                f"the action_mask is {given!r}; expected {self._count} truths, one for each action"
            )
        mask = mask.astype(np.bool_)
        if mask.any():
            return mask
        if ended:
            return np.ones(self._count, np.bool_)
        raise HandrailError(
            "the action_mask allows no action, but the episode goes on: say terminated where "
            "nothing can be done any more"
        )
