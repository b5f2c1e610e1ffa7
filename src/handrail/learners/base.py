"""The contract between the training loop and whatever learns.

The loop knows no algorithm and no replay: an *agent* proposes actions, is shown every
transition, and is asked to learn at the end of each block of steps. The mathematics of
one update lives in a learner of its own (`q.double_dqn`, `sac.lagrangian`, …) that can be checked
number by number; the agent wires it to a replay and a schedule.
"""

import abc
import inspect
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from handrail.core.renamed import warn_once
from handrail.core.types import Action, Context, Decision, Observation, Transition


class Clock(eqx.Module):
    """Where in the run we are: the only thing that schedules may depend on."""

    step: Int[Array, ""]  # environment steps done
    progress: Float[Array, ""]  # step / total steps of the run, in [0, 1]

    @staticmethod
    def at(step: Int[Array, ""], total: int) -> "Clock":
        """At this step of a run of `total` steps."""
        return Clock(step, step.astype(jnp.float32) / total)


class Proposal(eqx.Module):
    """An action, and what the learner must remember of having chosen it."""

    action: Action
    extras: dict[str, Array]  # stored with the transition (such as the pre-squash action)


OLD_NAMES = {"block": "train_every", "greedy": "evaluation_action", "complete": "annotate"}


class AbstractAgent(eqx.Module):
    """Acts, is shown what happened, and learns."""

    train_every: eqx.AbstractVar[int]  # environment steps between two calls of `learn`
    learning_starts: eqx.AbstractVar[int]  # steps before the first call of `learn`
    metrics: eqx.AbstractVar[tuple[str, ...]]  # the names of what `learn` reports

    def __init_subclass__(cls, **options: Any):
        """Agents that were written for an older version define the same under old names."""
        own = {*inspect.get_annotations(cls), *cls.__dict__}
        for old, new in OLD_NAMES.items():
            if old in own and new not in own:
                warn_once(f"{cls.__name__}.{old} is now called {new}")
                setattr(cls, new, property(lambda self, old=old: getattr(self, old)))
        super().__init_subclass__(**options)

    @abc.abstractmethod
    def init(self, example: Transition, *, key: Key[Array, ""]) -> PyTree:
        """The state before the first step; `example` gives shapes and dtypes for the replay.

        It has no extras: an agent adds those that its `annotate` stores.
        """

    @abc.abstractmethod
    def prepare(self, state: PyTree, *, key: Key[Array, ""]) -> Any:
        """Evaluates once what stays the same during a block (parameters, tables of values).

        It is the *policy snapshot* of the block: triggers and substitutes are given it, too, as
        `Context.policy_snapshot`, so that an intervention may ask what is being learnt. What it
        offers is the agent's to say: `SacSnapshot` has `policy` and `critics`, with
        `cost(observation, action)`; of Q-learning it is an `Actor`, whose `values` the agent's
        `loss.values` reads. It is a tree of arrays that compiled code can read, from before the
        block. It never reaches a replay or a checkpoint.
        """

    @abc.abstractmethod
    def propose(
        self, policy_snapshot: Any, observation: Observation, clock: Clock, *, key: Key[Array, ""]
    ) -> Proposal:
        """The action to take while learning, exploration included."""

    @abc.abstractmethod
    def evaluation_action(
        self, policy_snapshot: Any, observation: Observation, *, key: Key[Array, ""]
    ) -> Action:
        """The action of the policy that has been learnt."""

    def annotate(
        self, policy_snapshot: Any, context: Context, decision: Decision
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        """The importance weight of the executed action, and the extras to be stored with it; by
        default 1 and none.
        """
        return jnp.ones(()), {}

    @abc.abstractmethod
    def observe(self, state: PyTree, transition: Transition, clock: Clock) -> PyTree:
        """Stores a transition."""

    @abc.abstractmethod
    def learn(
        self, state: PyTree, policy_snapshot: Any, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[PyTree, dict[str, Float[Array, ""]]]:
        """The updates due at the end of a block, and metrics named `group/name`."""


class AbstractActingAs(AbstractAgent):
    """Acts as another agent does, and learns more than that one.

    Its policy snapshots are those that `acting` acts with, or act as they do.
    """

    acting: eqx.AbstractVar[Any]  # the other agent

    @property
    def train_every(self) -> int:
        return self.acting.train_every

    def propose(
        self, policy_snapshot: Any, observation: Observation, clock: Clock, *, key: Key[Array, ""]
    ) -> Proposal:
        return self.acting.propose(policy_snapshot, observation, clock, key=key)

    def evaluation_action(
        self, policy_snapshot: Any, observation: Observation, *, key: Key[Array, ""]
    ) -> Action:
        return self.acting.evaluation_action(policy_snapshot, observation, key=key)

    def annotate(
        self, policy_snapshot: Any, context: Context, decision: Decision
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        return self.acting.annotate(policy_snapshot, context, decision)
