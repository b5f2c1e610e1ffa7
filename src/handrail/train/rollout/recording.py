"""Episodes of a roll-out as recorded ones: what is kept of a step, and films of hosts."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.core.types import Context, Decision
from handrail.envs.host import AbstractHostEnvironment, HostTimestep
from handrail.envs.host_wrappers import AbstractWrapped
from handrail.interventions.base import Threshold
from handrail.train.evidence import evidence_of
from handrail.train.rollout.base import Episodes

BUDGET = "episode_cost"
"""A quantity that no trigger reports, since every context has it."""


def decided(key: Key[Array, ""], context: Context, decision: Decision) -> dict[str, Any]:
    """What is kept of a step (`StepRecord`)."""
    return {
        "proposed": context.proposed,
        "action": decision.action,
        "intervened": decision.intervened,
        "evidence": evidence_of(decision) | {BUDGET: context.episode_cost},
        "seen": context.observation,
    }


def columns_of(
    done: Episodes, number: int, thresholds: tuple[Threshold, ...], seen: Callable[[Any], Any]
) -> dict[str, np.ndarray]:
    """The columns of an episode that was recorded with `decided`.

    `seen` chooses the named parts of the observations that are kept, arrays of (steps, …).
    """
    assert done.steps is not None
    steps, length = done.steps, int(done.lengths[number])
    kept = jax.tree.map(lambda leaf: np.asarray(leaf)[number, :length], steps.records)
    evidence = dict(kept["evidence"])
    if BUDGET not in {each.quantity for each in thresholds}:
        del evidence[BUDGET]
    return {
        "reward": np.asarray(steps.rewards)[number, :length],
        "cost": np.asarray(steps.costs)[number, :length],
        **{name: kept[name] for name in ("intervened", "proposed", "action")},
        **named("evidence", evidence),
        **named("seen", seen(kept["seen"])),
    }


def named(prefix: str, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Columns under the prefix."""
    return {f"{prefix}/{name}": np.asarray(values) for name, values in arrays.items()}


class Filmed(AbstractWrapped, AbstractHostEnvironment):
    """An environment on the host, and what `look(number)` gave in each of its states.

    States are numbered from 0 in each episode. `films` has a list for each that was begun. Nothing
    else differs from `inner`.
    """

    def __init__(self, inner: AbstractHostEnvironment, look: Callable[[int], Any]):
        super().__init__(inner)
        self._look = look
        self.films: list[list[Any]] = []

    def reset(self, *, key: Key[Array, ""]) -> Any:
        observation = self.inner.reset(key=key)
        self.films.append([self._look(0)])
        return observation

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        timestep = self.inner.step(action, key=key)
        self.films[-1].append(self._look(len(self.films[-1])))
        return timestep

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        return self.inner.restore(snapshot)
