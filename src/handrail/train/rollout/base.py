"""Whole episodes from which nothing is learnt: who acts in them, and what came of them.

`compiled.rollout` and `host.rollout_on_host` run them. Both decide by `train.step.judge`, as the
loops that learn do: an evaluation has no intervention, a shield test is random actions under an
intervention, a takeover is an intervention from a step on.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Action, Context, Decision, Memory, Observation
from handrail.envs.base import ActionSpace, DiscreteActions
from handrail.interventions.base import AbstractSubstitute, Intervention, Substitution
from handrail.interventions.recipes import none
from handrail.learners.base import AbstractAgent, Proposal
from handrail.train.step import Progress

RolloutPolicy = Callable[[Observation, Progress, Key[Array, ""]], Proposal]
"""`policy(observation, progress, key)`: what is proposed in an episode with this key."""
EpisodeIntervention = Callable[[Key[Array, ""], Int[Array, ""]], Intervention]
"""`intervention(key, number)`: WHEN × WHAT in the episode of this number, from 0, and key."""
StepRecord = Callable[[Key[Array, ""], Context, Decision], PyTree]
"""`record(key, context, decision)`: arrays that are kept of a step of an episode with this key."""


class Episodes(eqx.Module):
    """Undiscounted sums over whole episodes and, where they were asked for, their steps."""

    returns: Float[Array, " episodes"]
    costs: Float[Array, " episodes"]
    lengths: Int[Array, " episodes"]
    constraints: Float[Array, "episodes constraints"] | None = None  # of several costs, each
    interventions: Int[Array, " episodes"] | None = None  # steps in which a substitute acted
    terminated: Bool[Array, " episodes"] | None = None  # by the task itself, not by a time limit
    steps: "Steps | None" = None

    def means(self, what: str) -> dict[str, float]:
        """Of returns, costs and lengths, by names that begin so."""
        each = {"return": self.returns, "cost": self.costs, "length": self.lengths}
        return {f"{what}{name}": float(sums.mean()) for name, sums in each.items()}

    def cost_in(self, steps: int) -> float:
        """The undiscounted cost of so many steps, over all episodes."""
        return float(steps * _summed(self.costs) / _summed(self.lengths))

    def above(self, limit: float, per_steps: int) -> int:
        """Episodes that cost more than a limit, of so many steps, allows in the longest of them."""
        allowed = limit * np.asarray(self.lengths, np.float32).max() / per_steps
        return int(np.sum(np.asarray(self.costs, np.float32) > allowed))

    @property
    def intervention_rate(self) -> float:
        """The share of the steps in which a substitute acted."""
        return float(_summed(self.interventions) / _summed(self.lengths))


def _summed(each: Any) -> np.float32:
    return np.asarray(each, np.float32).sum()


class Steps(eqx.Module):
    """The steps of episodes; what lies beyond the end of one (`running` false) means nothing.

    Arrays are NumPy's for episodes on the host. Rewards and costs are those of each step.
    """

    running: Bool[Any, "episodes steps"]
    rewards: Float[Any, "episodes steps"]
    costs: Float[Any, "episodes steps"]
    records: PyTree = None  # leaves (episodes, steps, …)
    outcomes: PyTree = None  # of compiled episodes, likewise


class Moment(eqx.Module):
    """The moment of a run from which episodes begin: its progress, and what its trigger knows."""

    progress: Progress
    memory: Memory
    total: int = eqx.field(static=True)  # steps of the run


def begin(
    intervention: Intervention, number: Int[Array, ""], moment: Moment | None
) -> tuple[Memory, Progress]:
    """Memory and progress at the first step of an episode."""
    if moment is not None:
        return moment.memory, moment.progress
    memory = jax.tree.map(jnp.asarray, intervention.init())
    return memory, dataclasses.replace(Progress.begin(), episode=number)


class EveryEpisode(eqx.Module):
    """The same intervention in every episode."""

    intervention: Intervention

    def __call__(self, key: Key[Array, ""], number: Int[Array, ""]) -> Intervention:
        return self.intervention


def unassisted(key: Key[Array, ""], number: Int[Array, ""]) -> Intervention:
    """No intervention, in any episode."""
    return none()


class Greedy(eqx.Module):
    """The policy that an agent has learnt, from what it has prepared."""

    agent: AbstractAgent
    policy_snapshot: Any

    def __call__(
        self, observation: Observation, progress: Progress, key: Key[Array, ""]
    ) -> Proposal:
        drawn = stream(key, "act", progress.so_far.steps)
        return Proposal(
            self.agent.evaluation_action(self.policy_snapshot, observation, key=drawn), {}
        )


class Drawn(eqx.Module):
    """A policy by itself: `act(observation, key) -> (action, extras)`, such as `Sampled`."""

    act: Callable[[Observation, Key[Array, ""]], tuple[Array, dict[str, Array]]]

    def __call__(
        self, observation: Observation, progress: Progress, key: Key[Array, ""]
    ) -> Proposal:
        action, _ = self.act(observation, stream(key, "act", progress.so_far.steps))
        return Proposal(action, {})


class Exploring(eqx.Module):
    """An agent as it acts while it learns, exploration included, in a run of `total` steps."""

    agent: AbstractAgent
    policy_snapshot: Any
    total: int = eqx.field(static=True)

    def __call__(
        self, observation: Observation, progress: Progress, key: Key[Array, ""]
    ) -> Proposal:
        drawn = stream(key, "propose", progress.step)
        return self.agent.propose(
            self.policy_snapshot, observation, progress.clock(self.total), key=drawn
        )


class RandomActions(eqx.Module):
    """Uniformly random actions of a space, numbered or in [−1, 1]ⁿ, each for `repeat` steps."""

    actions: ActionSpace
    repeat: int = eqx.field(static=True)
    name: str = eqx.field(static=True)  # of the stream of the episode's key

    def __call__(
        self, observation: Observation, progress: Progress, key: Key[Array, ""]
    ) -> Proposal:
        drawn = stream(key, self.name, progress.so_far.steps // self.repeat)
        return Proposal(self.drawn(drawn), {})

    def drawn(self, key: Key[Array, ""]) -> Action:
        """One action."""
        if isinstance(self.actions, DiscreteActions):
            return jax.random.randint(key, (), 0, self.actions.n)
        return jax.random.uniform(key, (self.actions.size,), minval=-1, maxval=1)


class EpisodePolicy(AbstractSubstitute):
    """A policy that draws from a stream of the episode's key, by the step in the episode.

    `act(observation, key) -> (action, extras)`; the extras are left out.
    """

    act: Callable[[Observation, Key[Array, ""]], tuple[Array, dict[str, Array]]]
    name: str = eqx.field(static=True)
    key: Key[Array, ""]

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        drawn = stream(self.key, self.name, context.episode_step)
        action, _ = self.act(context.observation, drawn)
        return Substitution(action, jnp.array(True))
