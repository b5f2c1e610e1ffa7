"""A learner of the task that learns a risk beside it, from the actions that were executed."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.rng import stream
from handrail.core.types import Transition
from handrail.learners.base import AbstractActingAs, Clock
from handrail.learners.risk.base import RISK_METRICS, AbstractRisk, RiskSnapshot
from handrail.learners.sac.agent import SacAgent, SacAgentState
from handrail.learners.sac.networks import OnVectors, vector_sizes
from handrail.learners.sac.state import SacState
from handrail.replay.base import AbstractReplay


class RiskAgentState(eqx.Module):
    """The learner of the task with its memory, and that of the risk with its own."""

    task: SacAgentState
    risk: Any
    replay: Any  # of executed transitions

    @property
    def learner(self) -> SacState:
        """That of the task."""
        return self.task.learner


class RiskAgent(AbstractActingAs):
    """Proposes as `acting` does, and learns a risk that interventions ask.

    Attributes:
        acting: learns the task; what it stores of a step in which it was overruled is its own.
        learner: of the risk.
        replay: of the transitions that were executed, whoever acted.
        batch: transitions in one update of the risk.
    """

    acting: SacAgent
    learner: AbstractRisk
    replay: AbstractReplay
    batch: int = eqx.field(default=256, static=True)

    @property
    def learning_starts(self) -> int:
        return self.acting.learning_starts

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*self.acting.metrics, *RISK_METRICS)

    def init(self, example: Transition, *, key: Key[Array, ""]) -> RiskAgentState:
        sizes = vector_sizes(example, "critics of risk need")
        risk = self.learner.init(*sizes, key=stream(key, "risk"))
        task = self.acting.init(example, key=key)
        return RiskAgentState(task, risk, self.replay.init(example))

    def prepare(self, state: RiskAgentState, *, key: Key[Array, ""]) -> RiskSnapshot:
        return RiskSnapshot(self.acting.prepare(state.task, key=key), self.learner, state.risk)

    def observe(
        self, state: RiskAgentState, transition: Transition, clock: Clock
    ) -> RiskAgentState:
        return RiskAgentState(
            self.acting.observe(state.task, transition, clock),
            state.risk,
            self.replay.add(state.replay, transition),
        )

    def learn(
        self,
        state: RiskAgentState,
        policy_snapshot: RiskSnapshot,
        clock: Clock,
        *,
        key: Key[Array, ""],
    ) -> tuple[RiskAgentState, dict[str, Float[Array, ""]]]:
        """The task's updates, then as many of the risk, with the policy that they left."""
        task, metrics = self.acting.learn(state.task, policy_snapshot.acting, clock, key=key)
        policy = OnVectors(task.learner.parameters.actor)
        keys = jax.random.split(stream(key, "risk", clock.step), self.acting.updates)

        def updated(risk):
            def one(risk, key):
                drawn, noise = jax.random.split(key)
                batch = self.replay.sample(state.replay, self.batch, key=drawn).items
                return self.learner.update(risk, batch, policy, key=noise)

            risk, seen = jax.lax.scan(one, risk, keys)
            return risk, {name: jnp.mean(values) for name, values in seen.items()}

        none = {name: jnp.zeros(()) for name in RISK_METRICS}
        risk, seen = jax.lax.cond(
            self.replay.ready(state.replay, self.batch), updated, lambda risk: (risk, none),
            state.risk,
        )  # fmt: skip
        return RiskAgentState(task, risk, state.replay), metrics | seen
