"""Counts kept during a run, for the report: where it went, and how right the checks were."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from handrail.core.types import Context, Decision, Timestep
from handrail.envs.base import AbstractFiniteEnvironment

CHECKS = ("state_check", "action_check")


class AbstractStepStatistics(eqx.Module):
    """Accumulates over the steps of a run; part of the run's state, so it resumes exactly."""

    @abc.abstractmethod
    def init(self) -> PyTree:
        """Empty counts."""

    @abc.abstractmethod
    def add(
        self, counts: PyTree, state: PyTree, context: Context, decision: Decision, step: Timestep
    ) -> PyTree:
        """The counts after a step taken in environment state `state`."""


class NoStepStatistics(AbstractStepStatistics):
    """Counts nothing."""

    def init(self) -> PyTree:
        return {}

    def add(
        self, counts: PyTree, state: PyTree, context: Context, decision: Decision, step: Timestep
    ) -> PyTree:
        return counts


NOTHING = NoStepStatistics()


class CheckConfusion(AbstractStepStatistics):
    """Visits of every row, and each check against the truth, in a finite environment.

    The state check is right where some action incurs a cost, the action check where the
    proposed one does. Confusion counts are `[truth, verdict]`; a check that an intervention
    does not make counts as silent.
    """

    environment: AbstractFiniteEnvironment

    def init(self) -> dict[str, Int[Array, "..."]]:
        rows = self.environment.observations.frames.shape[0]
        confusion = {name: jnp.zeros((2, 2), jnp.int32) for name in CHECKS}
        return {"visits": jnp.zeros(rows, jnp.int32), **confusion}

    def add(
        self, counts: PyTree, state: PyTree, context: Context, decision: Decision, step: Timestep
    ) -> PyTree:
        unsafe = self.environment.unsafe_actions(state)
        truth = {"state_check": unsafe.any(), "action_check": unsafe[context.proposed]}
        silent = jnp.array(False)
        after = {"visits": counts["visits"].at[context.observation].add(1)}
        for name in CHECKS:
            verdict = decision.evidence.get(name, silent)
            cell = (truth[name].astype(jnp.int32), verdict.astype(jnp.int32))
            after[name] = counts[name].at[cell].add(1)
        return after


def precision_and_recall(confusion) -> tuple[float, float]:
    """Of counts `[truth, verdict]`; NaN where nothing was flagged, or nothing was to be."""
    (_, false_alarms), (missed, caught) = jax.device_get(confusion).tolist()
    precision = caught / (caught + false_alarms) if caught + false_alarms else float("nan")
    recall = caught / (caught + missed) if caught + missed else float("nan")
    return precision, recall
