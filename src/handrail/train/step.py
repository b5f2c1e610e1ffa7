"""The one place where a decision is made: propose → decide → step → store.

Both loops, compiled and host, are made of these functions, so they cannot drift apart.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.informed import Info, informed
from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Memory, Observation, Timestep, Transition
from handrail.envs.base import ActionSpace, DiscreteActions
from handrail.interventions.base import Intervention
from handrail.interventions.fit import check_numbered, reading
from handrail.learners.base import AbstractAgent, Clock, Proposal
from handrail.train.evidence import evidence_of, is_outside


class EpisodeSoFar(eqx.Module):
    """Undiscounted sums over the episode in progress."""

    steps: Int[Array, ""]
    reward: Float[Array, ""]
    cost: Float[Array, ""]
    interventions: Int[Array, ""]
    constraints: Float[Array, " constraints"] | None = None  # of several costs, one each

    @staticmethod
    def begin(constraints: Float[Array, " constraints"] | None = None) -> "EpisodeSoFar":
        """Nothing yet; `constraints` are zeros for several costs."""
        zero, none = jnp.float32(0), jnp.int32(0)
        return EpisodeSoFar(none, zero, zero, none, constraints)

    def reset(self) -> "EpisodeSoFar":
        """The next episode, before its first step."""
        return jax.tree.map(jnp.zeros_like, self)

    def add(self, transition: Transition) -> "EpisodeSoFar":
        each = (self.constraints, transition.constraints)  # both are None where there is one cost
        return EpisodeSoFar(
            self.steps + 1,
            self.reward + transition.reward,
            self.cost + transition.cost,
            self.interventions + transition.intervened.astype(jnp.int32),
            jax.tree.map(jnp.add, *each),
        )


class Progress(eqx.Module):
    """Where the run is, with its totals; the cost is undiscounted, and in single precision, in
    which small costs vanish beside a large sum: reports add up `Record.cost`.
    """

    step: Int[Array, ""]
    episode: Int[Array, ""]
    cost: Float[Array, ""]
    interventions: Int[Array, ""]
    so_far: EpisodeSoFar

    @staticmethod
    def begin(constraints: Float[Array, " constraints"] | None = None) -> "Progress":
        """Nothing yet; `constraints` are zeros for several costs."""
        zero = jnp.int32(0)
        return Progress(zero, zero, jnp.float32(0), zero, EpisodeSoFar.begin(constraints))

    def clock(self, total: int) -> Clock:
        """The clock of a run of `total` steps."""
        return Clock.at(self.step, total)

    def advance(self, transition: Transition) -> "Progress":
        """After a step; an ended episode gives way to an empty one."""
        ended = transition.terminated | transition.truncated
        after = self.so_far.add(transition)
        so_far = jax.tree.map(lambda new, old: jnp.where(ended, new, old), after.reset(), after)
        return Progress(
            step=self.step + 1,
            episode=self.episode + ended.astype(jnp.int32),
            cost=self.cost + transition.cost,
            interventions=self.interventions + transition.intervened.astype(jnp.int32),
            so_far=so_far,
        )


class Record(eqx.Module):
    """What one step reports. Learners never read it."""

    ended: Bool[Array, ""]
    cost: Float[Array, ""]
    episode: EpisodeSoFar  # including this step
    evidence: dict[str, Float[Array, ""]]  # what triggers saw (`train.evidence`)
    outside: Bool[Array, ""]  # a substitute acted with what is no action

    @staticmethod
    def of(
        progress: Progress,
        decision: Decision,
        transition: Transition,
        intervention: Intervention,
        actions: ActionSpace,
    ) -> "Record":
        """Of a step that `progress` does not count yet."""
        return Record(
            transition.terminated | transition.truncated,
            transition.cost,
            progress.so_far.add(transition),
            evidence_of(decision),
            is_outside(intervention, actions, decision),
        )


def decide(
    agent: AbstractAgent,
    intervention: Intervention,
    policy_snapshot: Any,
    memory: Memory,
    observation: Observation,
    progress: Progress,
    *,
    clock: Clock,
    key: Key[Array, ""],
) -> tuple[Context, Decision]:
    """What the learner proposes and what will be executed.

    `progress` is that of the environment, `clock` that of the run: they differ where several
    environments stand side by side. The context that is returned lacks the learner's snapshot: it
    goes from call to call, and `make_transition` is given `policy_snapshot` again.
    """
    proposal = agent.propose(
        policy_snapshot,
        informed(observation).learners,
        clock,
        key=stream(key, "propose", progress.step),
    )
    return judge(
        intervention,
        proposal,
        memory,
        observation,
        progress,
        share_done=clock.progress,
        snapshot=policy_snapshot,
        key=key,
    )


def judge(
    intervention: Intervention,
    proposal: Proposal,
    memory: Memory,
    observation: Observation,
    progress: Progress,
    *,
    share_done: Float[Array, ""],
    snapshot: Any = None,
    key: Key[Array, ""],
) -> tuple[Context, Decision]:
    """What becomes of a proposal; `share_done` is the share of the run's steps that are done.

    The context that is returned lacks the learner's `snapshot`: it goes from call to call.
    """
    seen = informed(observation)
    context = Context(
        observation=seen.observation,
        proposed=proposal.action,
        extras=proposal.extras,
        step=progress.step,
        episode=progress.episode,
        episode_step=progress.so_far.steps,
        episode_cost=progress.so_far.cost,
        progress=share_done,
        policy_snapshot=snapshot,
        info=Info(seen.info),
        allowed=seen.allowed,
    )
    decision = intervention(context, memory, key=stream(key, "intervene", progress.step))
    return context.without_snapshot(), decision


def make_transition(
    agent: AbstractAgent,
    intervention: Intervention,
    policy_snapshot: Any,
    memory: Memory,
    context: Context,
    decision: Decision,
    timestep: Timestep,
    *,
    key: Key[Array, ""],
) -> tuple[Memory, Transition]:
    """What happened in a step, complete as it is to be stored, and remembered by the trigger."""
    weight, extras = agent.annotate(policy_snapshot, context, decision)
    plain = Transition.of(context, decision, timestep)
    transition = dataclasses.replace(plain, weight=weight, extras=extras)
    asked = dataclasses.replace(context, policy_snapshot=policy_snapshot)
    memory = intervention.observe(
        memory, asked, transition, key=stream(key, "remember", context.step)
    )
    return memory, transition


def check_fit(
    agent: AbstractAgent,
    intervention: Intervention,
    actions: ActionSpace,
    example: Transition,
    observation: Observation,
    *,
    total: int,
) -> None:
    """Refuses, before the first step, an intervention that does not fit agent and environment.

    `example` gives the shapes of a step, without extras, and `observation` those of what is
    observed, with what comes beside it. Nothing is computed: the first decision
    is evaluated for its shapes alone. Raises `HandrailError`, as `handrail.interventions.fit` says.
    """

    def decided(key: Key[Array, ""]) -> None:
        policy_snapshot = agent.prepare(agent.init(example, key=key), key=key)
        progress = Progress.begin(example.constraints)
        proposal = agent.propose(
            policy_snapshot, informed(observation).learners, progress.clock(total), key=key
        )
        with reading(example.observation, proposal.action):
            judge(
                intervention, proposal, intervention.init(), observation, progress,
                share_done=progress.clock(total).progress, snapshot=policy_snapshot, key=key,
            )  # fmt: skip

    jax.eval_shape(decided, jax.random.key(0))
    if isinstance(actions, DiscreteActions):
        with reading(example.observation, example.action):
            check_numbered(intervention, example.observation, actions.n)


def store(
    agent: AbstractAgent, state: PyTree, transition: Transition, step: Int[Array, ""], *, total: int
) -> PyTree:
    """The agent's state once it has been shown the transition of `step` (from 0)."""
    return agent.observe(state, transition, Clock.at(step + 1, total))


def store_block(
    agent: AbstractAgent,
    state: PyTree,
    transitions: Transition,
    step: Int[Array, ""],
    *,
    total: int,
) -> PyTree:
    """The agent's state once it has been shown the whole block of transitions before `step`.

    `transitions` has a leading axis of the agent's block. Before the first block there are none.
    """
    first = step - agent.train_every

    def one(index, state):
        transition = jax.tree.map(lambda leaf: leaf[index], transitions)
        return store(agent, state, transition, first + index, total=total)

    # a loop of no rounds instead of a condition, which would copy the replay
    return jax.lax.fori_loop(0, jnp.where(step > 0, agent.train_every, 0), one, state)


def example_transition(observation: Any, action: Any, timestep: Any) -> Transition:
    """Zeros with the shapes and dtypes of a problem, without extras; arguments may be shapes."""

    def transition(observation, action, timestep: Timestep) -> Transition:
        first, none = jnp.int32(0), jnp.float32(0)
        seen = informed(observation)
        context = Context(
            seen.observation, action, {}, first, first, first, none, none, allowed=seen.allowed
        )
        return Transition.of(context, Decision(action, jnp.array(False), {}, {}), timestep)

    return zeros_like(jax.eval_shape(transition, observation, action, timestep))


def zeros_like(shapes: PyTree, *axes: int) -> PyTree:
    """Zeros of these shapes and dtypes, with the given axes in front."""
    return jax.tree.map(lambda leaf: jnp.zeros((*axes, *leaf.shape), leaf.dtype), shapes)
