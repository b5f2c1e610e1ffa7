"""SAC-Lagrangian as an agent: acts, weighs what a guide did in its place, stores, learns."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.renamed import takes_old_names
from handrail.core.rng import stream
from handrail.core.types import Action, Context, Decision, Observation, Transition
from handrail.equations.importance import Point, authors_point, importance_weight
from handrail.learners.base import AbstractAgent, Clock, Proposal
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import CriticEnsemble, Distribution, OnVectors, vector_sizes
from handrail.learners.sac.pull import GUIDE_LOG_PROB
from handrail.learners.sac.source_data import SourceData
from handrail.learners.sac.state import SacState
from handrail.learners.standardising import measured_once
from handrail.learners.stored import AbstractStored
from handrail.networks.gaussian import SquashedGaussian
from handrail.replay.base import AbstractReplay
from handrail.replay.ring import Ring


def executed_pre_squash(decision: Decision) -> Float[Array, " action"]:
    """The pre-squash value of the executed action.

    A substitute that brings none leaves the proposal's, which belongs to another action; then
    it is recovered from the action, as well as float32 allows (|u| below about 7.6).
    """
    stored = decision.extras["pre_squash"]
    edge = 1 - jnp.finfo(decision.action.dtype).eps
    recovered = jnp.arctanh(jnp.clip(decision.action, -edge, edge))
    belongs = jnp.all(jnp.abs(jnp.tanh(stored) - decision.action) < 1e-4)
    return jnp.where(belongs, stored, recovered)


class SacAgentState(eqx.Module):
    """The learner and its memory."""

    learner: SacState
    replay: Any


class SacSnapshot(eqx.Module):
    """What a block of steps acts with, and what a trigger may ask: `Context.policy_snapshot`.

    All of it is from before the block, for observations of this task: `cost(observation, action)`
    is the largest expected discounted sum of a cost, as `CriticEnsemble` has it.
    """

    policy: OnVectors
    critics: CriticEnsemble

    def __call__(self, observation: Observation) -> SquashedGaussian:
        """The policy's distribution before the squash."""
        return self.policy(observation)

    def cost(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, ""]:
        """What the learner's cost critics expect of an action."""
        return self.critics.cost(observation, action)


@takes_old_names({"block": "train_every"})
class SacAgent(AbstractAgent):
    """A guide in its source task, or a student in its target task (arXiv:2307.14316).

    Attributes:
        learner: one update.
        replay: a `Ring`, or a `Split` where a guide acts by turns.
        guide: the guide's distribution for an observation of *this* task (`OnVectors` with a
            view). Without it every weight is 1 and there is no distillation.
        source: steps of the source to learn costs from, beside those of the target.
        initial: what the learner begins with, instead of afresh.
        stored: what is changed of a transition before it is stored, such as a penalty.
        point: where both log-densities of an executed action are evaluated.
        hidden: widths of the hidden layers of actor and critics.
        batch: transitions in one update.
        train_every: environment steps between two rounds of updates.
        updates: updates in one round.
        learning_starts: steps before the first round.
        uniform_steps: steps of uniformly random actions at the beginning (guides have 500).
        ratio_low, ratio_high: bounds of the importance weight.
    """

    learner: SacLagrangian = SacLagrangian()
    replay: AbstractReplay = Ring(1_000_000)
    guide: Distribution | None = None
    source: SourceData | None = None
    initial: SacState | None = None
    stored: tuple[AbstractStored, ...] = ()
    point: Point = eqx.field(default=authors_point, static=True)
    hidden: tuple[int, ...] = eqx.field(default=(256, 256), static=True)
    batch: int = eqx.field(default=256, static=True)
    train_every: int = eqx.field(default=100, static=True)
    updates: int = eqx.field(default=100, static=True)
    learning_starts: int = eqx.field(default=500, static=True)
    uniform_steps: int = eqx.field(default=0, static=True)
    ratio_low: float = eqx.field(default=0.1, static=True)
    ratio_high: float = eqx.field(default=2.0, static=True)

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*self.learner.metrics, "sac/updates")

    def __check_init__(self):
        if self.learner.distillation is not None and self.guide is None:
            raise HandrailError(
                "the learner distils a guide, but the agent has none: give `guide`, or set the "
                "learner's distillation to None"
            )
        if self.source is not None and self.learner.constraints:
            raise HandrailError(
                "steps of the source have one cost, but the learner has several constraints: "
                "leave `source` out"
            )
        if self.source is not None and self.learner.risk_level < 1:
            raise HandrailError(
                f"the learner's risk_level is {self.learner.risk_level:g}, but variances of costs "
                "are not learnt from steps of the source: set it to 1, or leave `source` out"
            )
        if not 0 < self.ratio_low <= 1 <= self.ratio_high:
            raise HandrailError(
                f"bounds of the importance weight are {self.ratio_low} and {self.ratio_high}: "
                "expected 0 < low ≤ 1 ≤ high, such as 0.1 and 2.0"
            )

    def init(self, example: Transition, *, key: Key[Array, ""]) -> SacAgentState:
        sizes = vector_sizes(example, "SAC-Lagrangian needs")
        if self.initial is None:
            learner = self.learner.init(*sizes, self.hidden, key=stream(key, "networks"))
        else:  # copied: no array of a state that a loop donates may be the agent's, too
            learner = jax.tree.map(jnp.copy, self.initial)
        if self.guide is not None:
            jax.eval_shape(self.guide, example.observation)  # a wrong view fails here, not later
            extras = {GUIDE_LOG_PROB: jnp.zeros(())}
            example = eqx.tree_at(lambda t: t.extras, example, extras)
        return SacAgentState(learner, self.replay.init(example))

    def prepare(self, state: SacAgentState, *, key: Key[Array, ""]) -> SacSnapshot:
        learnt = state.learner.parameters
        return SacSnapshot(OnVectors(learnt.actor), learnt.critics)

    def propose(
        self,
        policy_snapshot: Distribution,
        observation: Observation,
        clock: Clock,
        *,
        key: Key[Array, ""],
    ) -> Proposal:
        pre_squash = policy_snapshot(observation).sample(key=stream(key, "policy"))
        action = jnp.tanh(pre_squash)
        if self.uniform_steps:
            uniform = jax.random.uniform(
                stream(key, "uniform"), action.shape, action.dtype, minval=-1, maxval=1
            )
            explores = clock.step < self.uniform_steps
            action = jnp.where(explores, uniform, action)
            pre_squash = jnp.where(explores, jnp.arctanh(uniform), pre_squash)
        return Proposal(action, {"pre_squash": pre_squash})

    def evaluation_action(
        self, policy_snapshot: Distribution, observation: Observation, *, key: Key[Array, ""]
    ) -> Action:
        """A random action of the policy: that is what the paper evaluates."""
        return jnp.tanh(policy_snapshot(observation).sample(key=key))

    def annotate(
        self, policy_snapshot: Distribution, context: Context, decision: Decision
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        if self.guide is None:
            return jnp.ones(()), {}
        point = self.point(decision.action, executed_pre_squash(decision))
        guide = self.guide(context.observation).log_prob(point)
        student = policy_snapshot(context.observation).log_prob(point)
        ratio = importance_weight(student, guide, low=self.ratio_low, high=self.ratio_high)
        return jnp.where(decision.intervened, ratio, 1.0), {GUIDE_LOG_PROB: guide}

    def observe(self, state: SacAgentState, transition: Transition, clock: Clock) -> SacAgentState:
        for changed in self.stored:
            transition = changed(transition)
        return SacAgentState(state.learner, self.replay.add(state.replay, transition))

    def learn(
        self, state: SacAgentState, policy_snapshot: PyTree, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[SacAgentState, dict[str, Float[Array, ""]]]:
        """`updates` updates, or none while the replay holds too little (`sac/updates` is 0 then).

        Metrics are means over the updates; `sac/finite` is 1 if all of them were finite. Before the
        first one, what is to be standardised is measured on the replay.
        """

        def updated(learner: SacState):
            batches, noise = self._batches(state.replay, clock, key)
            beside = self._beside(batches, clock, key)

            def one(learner, x):
                batch, (now, after), source = x
                return self.learner.update_with_noise(
                    learner, batch, clock.progress, now, after, source
                )

            learner, metrics = jax.lax.scan(one, learner, (batches, noise, beside))
            finite = jnp.min(metrics["sac/finite"])
            metrics = {name: jnp.mean(values) for name, values in metrics.items()}
            return learner, metrics | {
                "sac/finite": finite, "sac/updates": jnp.float32(self.updates)
            }  # fmt: skip

        none = {name: jnp.zeros(()) for name in self.metrics} | {"sac/finite": jnp.ones(())}
        ready = self.replay.ready(state.replay, self.batch)
        learner, metrics = jax.lax.cond(
            ready,
            updated,
            lambda learner: (learner, none),
            measured_once(state.learner, self.replay, state.replay, ready),
        )
        return SacAgentState(learner, state.replay), metrics

    def _batches(self, replay: Any, clock: Clock, key: Key[Array, ""]):
        """The batches and the noise of one round, drawn at once: many small draws cost more."""
        keys = jax.random.split(stream(key, "batches", clock.step), self.updates)
        batches = jax.vmap(lambda k: self.replay.sample(replay, self.batch, key=k).items)(keys)
        shape = (self.updates, 2, *batches.action.shape[1:])
        noise = jax.random.normal(stream(key, "noise", clock.step), shape, batches.action.dtype)
        return batches, (noise[:, 0], noise[:, 1])

    def _beside(self, batches: Transition, clock: Clock, key: Key[Array, ""]):
        """A batch of the source for each of the target's, if there is one to draw from."""
        if self.source is None:
            return None
        keys = jax.random.split(stream(key, "source", clock.step), self.updates)
        draw = self.source.draw
        return jax.vmap(lambda batch, k: draw(batch, key=k))(batches, keys)
