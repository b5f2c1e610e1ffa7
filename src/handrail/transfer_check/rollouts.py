"""Whole episodes of a guide in a source or target task, as arrays, for measurement alone.

In every episode an explorer acts for a number of steps first (none, for episodes of the guide's
own), then the guide to the end: that is how a student takes over. In the words of interventions,
the explorer's action is proposed, and from a step on the guide takes over.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.core.rng import stream
from handrail.core.types import Context, Decision
from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHostEnvironment, AnyEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.interventions.base import Intervention
from handrail.interventions.triggers import FromStep
from handrail.learners.sac.networks import observation_vector
from handrail.train.rollout import base
from handrail.train.rollout.base import EpisodePolicy, RandomActions
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.host import rollout_on_host

SEATS = 64
"""Environments that share one call of the guide: more would save little and take memory."""
HOLD = 20  # steps for which the explorer keeps an action: it covers ground, unlike white noise


@dataclasses.dataclass(frozen=True)
class Visits:
    """Episodes side by side; what lies beyond the end of one (`running` false) means nothing.

    Costs are per step, undiscounted: that of the action taken at the step.
    """

    views: Float[np.ndarray, "episodes steps view"]  # what the guide sees before it acts
    costs: Float[np.ndarray, "episodes steps"]
    predicted: Float[np.ndarray, "episodes steps"]  # by the guide for the action taken, discounted
    predicted_random: Float[np.ndarray, "episodes steps"]  # and for a random action in its place
    running: Bool[np.ndarray, "episodes steps"]
    terminated: Bool[np.ndarray, " episodes"]  # by the task itself, not by its time limit
    handed_over: Int[np.ndarray, " episodes"]  # the first step of the guide

    @property
    def totals(self) -> np.ndarray:
        """Undiscounted cost of every episode."""
        return np.where(self.running, self.costs, 0).sum(axis=1, dtype=np.float64)

    @property
    def lengths(self) -> np.ndarray:
        """Steps of every episode."""
        return self.running.sum(axis=1)


class FromTakeover(eqx.Module):
    """The guide acts from a step of each episode on."""

    guide: Any
    first: Int[Array, " episodes"]

    def __call__(self, key: Key[Array, ""], number: Int[Array, ""]) -> Intervention:
        """That of the episode with this number and key."""
        acts = EpisodePolicy(self.guide.policy.act, "act", key)
        return Intervention(FromStep(self.first[number]), acts)


class Expected(eqx.Module):
    """Recorded of a step: what the guide sees, and the cost that it expects, discounted, of the
    action taken and of a random one in its place.
    """

    guide: Any
    others: RandomActions  # what draws the random one

    def __call__(
        self, key: Key[Array, ""], context: Context, decision: Decision
    ) -> tuple[Float[Array, " view"], Float[Array, ""], Float[Array, ""]]:
        """Of one step of the episode with this key."""
        guide, observation = self.guide, context.observation
        other = self.others.drawn(stream(key, "compare", context.episode_step))
        return (
            observation_vector(guide.view(observation)),
            guide.cost(observation, decision.action),
            guide.cost(observation, other),
        )


def explorer(environment: AnyEnvironment) -> RandomActions:
    """What acts before the guide: random actions, each for `HOLD` steps."""
    return RandomActions(environment.actions, HOLD, "explore")


def roll(
    environment: AbstractEnvironment,
    guide: Any,
    handed_over: np.ndarray,
    *,
    key: Key[Array, ""],
) -> Visits:
    """One episode for each entry of `handed_over`, all at once, on compiled physics.

    `guide` is one as it is asked there (`Guide` or `OutsideGuide`).
    """
    keys = jax.random.split(key, len(handed_over))
    takeover = FromTakeover(guide, jnp.asarray(handed_over, jnp.int32))
    explores = explorer(environment)
    expected = Expected(guide, explores)
    return _episodes(_roll(environment, explores, takeover, expected, keys), handed_over)


@eqx.filter_jit
def _roll(environment, explores, takeover, expected, keys) -> base.Episodes:
    return rollout(environment, explores, takeover, keys=keys, record=expected)


def roll_on_host(
    environments: AbstractVectorHost | Sequence[AbstractHostEnvironment],
    guide: Any,
    handed_over: np.ndarray,
    *,
    steps: int,
    key: Key[Array, ""],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Visits:
    """`roll` in equal environments on the host, or copies of one, an episode in each at a time.

    Episodes are cut off after `steps` steps, as by a time limit. `report(done, total)` counts
    those that have ended.
    """
    keys = jax.random.split(key, len(handed_over))
    first = environments if isinstance(environments, AbstractVectorHost) else environments[0]
    explores = explorer(first)
    driver = Compiled(
        explores,
        FromTakeover(guide, jnp.asarray(handed_over, jnp.int32)),
        record=Expected(guide, explores),
        at_once=True,
    )
    done = rollout_on_host(environments, driver, keys=keys, longest=steps, report=report)
    return _episodes(done, handed_over)


def _episodes(done: base.Episodes, handed_over: np.ndarray) -> Visits:
    assert done.steps is not None
    views, predicted, predicted_random = done.steps.records
    arrays = views, done.steps.costs, predicted, predicted_random, done.steps.running
    return Visits(
        *map(np.asarray, arrays),
        terminated=np.asarray(done.terminated), handed_over=np.asarray(handed_over),
    )  # fmt: skip
