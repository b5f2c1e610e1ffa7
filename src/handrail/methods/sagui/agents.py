"""The SAC-Lagrangian agents of SaGui from their settings."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action, Context, Decision, Observation, Transition
from handrail.envs.base import action_size
from handrail.learners.base import AbstractAgent, Clock, Proposal
from handrail.learners.sac.agent import SacAgent, SacAgentState
from handrail.learners.sac.cost_floor import (
    AbstractCostFloor,
    GuideCostFloor,
    NeverNegative,
    NoFloor,
)
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.state import SacState
from handrail.methods.sagui.inputs import inputs_of
from handrail.methods.sagui.problem import Interface
from handrail.methods.sagui.settings import LIMIT_STEPS, SacSettings
from handrail.replay.base import AbstractReplay
from handrail.replay.ring import Ring
from handrail.replay.split import Split


def sac_learner(
    settings: SacSettings,
    limit: float,
    episode_length: int = LIMIT_STEPS,
    *,
    parts: Mapping[str, Sequence[int]] | None = None,
    predicted_costs: Callable[..., Array] | None = None,
    **options: Any,
) -> SacLagrangian:
    """One update with these settings; `limit` is undiscounted, of an episode of that length.

    `parts` are the shapes of the observation's parts if they are a navigation task's,
    `predicted_costs`
    is what the student's guide, if there is one, expects of each cost. Raises `HandrailError`
    where the settings need what there is not.
    """
    return SacLagrangian(
        cost_floor=_cost_floor(settings, predicted_costs),
        cost_limit=limit,
        episode_length=episode_length,
        discount=settings.discount,
        smoothing=settings.smoothing,
        learning_rate=settings.learning_rate,
        reward_scale=settings.reward_scale,
        critic_reduction={"lowest": jnp.min, "mean": jnp.mean}[settings.reward_critics],
        multiplier_rate=settings.multiplier_rate,
        damping_scale=settings.damping,
        cost_critic=settings.cost_critic,
        inputs=inputs_of(settings.inputs, parts),
        **options,
    )


def check_cost_floor(settings: SacSettings, discount: float, *, source: str) -> None:
    """Refuses a guide whose cost critic discounts by another γ than the student's.

    Sums of costs with different discounts cannot be compared.
    """
    if settings.cost_floor == "guide" and discount != settings.discount:
        raise HandrailError(
            f"{source}: the guide's cost critic has discount {discount:g}, the student "
            f"{settings.discount:g}; set learning.discount to the guide's, or "
            "learning.cost_floor to 'zero'"
        )


def _cost_floor(
    settings: SacSettings, predicted_costs: Callable[..., Array] | None
) -> AbstractCostFloor:
    if settings.cost_floor == "guide":
        if predicted_costs is None:
            raise HandrailError(
                "learning.cost_floor is 'guide', but there is no guide to ask: set it to 'zero' "
                "(for a guide itself: guide.learning.cost_floor)"
            )
        return GuideCostFloor(predicted_costs)
    return {"none": NoFloor(), "zero": NeverNegative()}[settings.cost_floor]


def sac_agent(
    settings: SacSettings, learner: SacLagrangian, replay: AbstractReplay, **options: Any
) -> SacAgent:
    """The agent with these settings."""
    return SacAgent(
        learner=learner,
        replay=replay,
        hidden=settings.hidden,
        batch=settings.batch,
        train_every=settings.train_every,
        updates=settings.updates,
        learning_starts=settings.learning_starts,
        **options,
    )


def memory(settings: SacSettings, steps: int, *, split: bool) -> AbstractReplay:
    """A replay that never allocates more than a run of `steps` steps can fill."""
    if split:
        return Split(min(settings.replay, 2 * steps))
    return Ring(min(settings.replay, steps))


def fresh_learner(
    interface: Interface, settings: SacSettings, learner: SacLagrangian, *, key: Key[Array, ""]
) -> SacState:
    """A learner's state with new networks for an environment: a template to be filled."""
    width = sum(math.prod(np.shape(part)) for part in jax.tree.leaves(interface.observation))
    actions = action_size(interface.actions)
    return learner.init(width, actions, settings.hidden, key=stream(key, "networks"))


class Continued(AbstractAgent):
    """`inner`, whose learner begins as `learner` instead of afresh."""

    inner: SacAgent
    learner: SacState
    train_every: int = eqx.field(static=True)
    learning_starts: int = eqx.field(static=True)
    metrics: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, inner: SacAgent, learner: SacState):
        self.inner, self.learner = inner, learner
        self.train_every, self.learning_starts = inner.train_every, inner.learning_starts
        self.metrics = inner.metrics

    def init(self, example: Transition, *, key: Key[Array, ""]) -> SacAgentState:
        fresh = self.inner.init(example, key=key)
        return SacAgentState(_copied(self.learner), fresh.replay)

    def prepare(self, state: SacAgentState, *, key: Key[Array, ""]) -> Any:
        return self.inner.prepare(state, key=key)

    def propose(
        self, policy_snapshot: Any, observation: Observation, clock: Clock, *, key: Key[Array, ""]
    ) -> Proposal:
        return self.inner.propose(policy_snapshot, observation, clock, key=key)

    def evaluation_action(
        self, policy_snapshot: Any, observation: Observation, *, key: Key[Array, ""]
    ) -> Action:
        return self.inner.evaluation_action(policy_snapshot, observation, key=key)

    def annotate(
        self, policy_snapshot: Any, context: Context, decision: Decision
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        return self.inner.annotate(policy_snapshot, context, decision)

    def observe(self, state: SacAgentState, transition: Transition, clock: Clock) -> SacAgentState:
        return self.inner.observe(state, transition, clock)

    def learn(
        self, state: SacAgentState, policy_snapshot: PyTree, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[SacAgentState, dict[str, Float[Array, ""]]]:
        return self.inner.learn(state, policy_snapshot, clock, key=key)


def _copied(learner: SacState) -> SacState:
    """No array of the run's state is also one of the agent, should the loop donate its state."""
    return jax.tree.map(lambda leaf: jnp.copy(leaf) if eqx.is_array(leaf) else leaf, learner)
