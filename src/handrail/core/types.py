"""The values that pass between environment, intervention, learner and replay.

All are pytrees of one example; batches and seeds are added by `jax.vmap`.
An *observation* is whatever the environment emits: an array, a dictionary of named
parts, or, for a finite environment, the `int32` row of its table of frames
(see `handrail.envs.base.FiniteObservations`).
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from handrail.core.errors import HandrailError
from handrail.core.informed import Info, informed

Observation = PyTree[Any]  # of arrays: JAX's, or NumPy's from an environment on the host
Action = Array  # int32 scalar (discrete) or float vector (Box)
Memory = PyTree  # what a trigger remembers; owned by the trigger


class Timestep(eqx.Module):
    """What one environment step returns.

    `cost` is mandatory: non-negative, per step, undiscounted. `terminated` is the task's
    own end (no bootstrap); `truncated` is the time limit (bootstrap). `observation` is the
    one reached by the action, also at the end of an episode. Environments on the host give
    NumPy's numbers. Where there are several costs, each with a limit of its own, they are
    `constraints`, in the order of their names, and `cost` is what they are combined to.
    """

    observation: Observation
    reward: Float[Any, ""]
    cost: Float[Any, ""]
    terminated: Bool[Any, ""]
    truncated: Bool[Any, ""]
    constraints: Float[Any, " constraints"] | None = None  # None where `cost` is the only one


class Context(eqx.Module):
    """What an intervention may look at before the action is executed.

    Where n environments are stepped side by side in a run of T steps, the i-th counts its steps
    and episodes from i · T / n on: no two share a number, and each has consecutive ones.

    In training, triggers and substitutes may ask the learner itself: `policy_snapshot` is what
    `AbstractAgent.prepare` gave for this block of steps. Outside of training it is None.
    """

    observation: Observation
    proposed: Action  # what the learner wants to do, exploration included
    extras: dict[str, Array]  # what came with the proposal (such as the pre-squash action)
    step: Int[Array, ""]  # in the run, from 0
    episode: Int[Array, ""]  # number of the episode in the run, from 0
    episode_step: Int[Array, ""]  # in the episode, from 0
    episode_cost: Float[Array, ""]  # undiscounted cost of this episode before this step
    progress: Float[Array, ""]  # share of the run's steps that are done, in [0, 1]
    policy_snapshot: Any = None  # of the learner, for this block; None outside of training
    info: Info = eqx.field(default_factory=Info)  # what triggers ask for (`WithInfo`)
    allowed: Bool[Array, " actions"] | None = None  # which actions may be taken; None: all

    def without_snapshot(self) -> "Context":
        """What belongs to this step alone: all but the learner's snapshot."""
        return dataclasses.replace(self, policy_snapshot=None)


class Decision(eqx.Module):
    """What an intervention decided, and why."""

    action: Action
    intervened: Bool[Array, ""]  # the executed action came from the substitute
    evidence: dict[str, Array]  # named quantities behind the decision, for records and reports
    extras: dict[str, Array]  # of the executed action: the substitute's, or the proposal's
    not_finite: Bool[Array, ""] | None = None  # a trigger saw NaN or infinity; None: none could
    disturbed: Action | None = None  # what a world that disturbs actions makes of it; never stored

    @property
    def applied(self) -> Action:
        """What the environment is stepped with."""
        return self.action if self.disturbed is None else self.disturbed

    def undisturbed(self) -> "Decision":
        """Itself, for those who would lose a disturbance: `HandrailError` if there is one."""
        if self.disturbed is not None:
            raise HandrailError(
                "a world that disturbs actions (`Disturbed`) belongs around everything else that "
                "decides, and into the training of a guide: leave it out here"
            )
        return self


class Transition(eqx.Module):
    """What is stored in replay: the final observation of an episode is never lost."""

    observation: Observation
    proposed: Action
    action: Action  # executed
    reward: Float[Array, ""]
    cost: Float[Array, ""]
    next_observation: Observation
    terminated: Bool[Array, ""]  # true end only: a time limit bootstraps
    truncated: Bool[Array, ""]
    intervened: Bool[Array, ""]
    weight: Float[Array, ""]  # importance weight of the executed action, 1 where the learner acted
    extras: dict[str, Array]  # what a learner needs beside (such as the guide's log-density)
    constraints: Float[Array, " constraints"] | None = None  # several costs, as in `Timestep`
    allowed: Bool[Array, " actions"] | None = None  # which actions could be taken; None: all
    next_allowed: Bool[Array, " actions"] | None = None  # the same in the next observation

    @staticmethod
    def of(context: Context, decision: Decision, timestep: Timestep) -> "Transition":
        """What happened in a step, without what a learner adds: of weight 1, and no extras."""
        reached = informed(timestep.observation)
        return Transition(
            observation=context.observation,
            proposed=context.proposed,
            action=decision.action,
            reward=timestep.reward,
            cost=timestep.cost,
            next_observation=reached.observation,
            terminated=timestep.terminated,
            truncated=timestep.truncated,
            intervened=decision.intervened,
            weight=jnp.ones(()),
            extras={},
            constraints=timestep.constraints,
            allowed=context.allowed,
            next_allowed=reached.allowed,
        )
