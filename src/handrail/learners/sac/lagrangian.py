"""SAC-Lagrangian: soft actor-critic with a Lagrange multiplier; one update, with no replay.

The same update serves guide and student (arXiv:2307.14316): they differ in the entropy
strategy, the distillation and the weights that arrive with the batch. All gradients are taken at
the parameters before the update; then the targets move towards the new ones. Differs from the
authors' scripts, where the targets' update races with the critics'.
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.arguments import Range, number
from handrail.core.renamed import takes_old_names
from handrail.core.types import Transition
from handrail.equations import lagrangian
from handrail.equations.budget import discounted_limit
from handrail.equations.distillation import Distillation
from handrail.equations.importance import WeightedSquare, weight_inside_square
from handrail.equations.pid import Pid
from handrail.equations.worst_case import cvar_factor
from handrail.learners.sac.adam import Adam
from handrail.learners.sac.constraint import (
    ActorCosts,
    Constrained,
    replay_actions,
    scaled_costs,
    whole_cost,
)
from handrail.learners.sac.cost_floor import AbstractCostFloor, NoFloor
from handrail.learners.sac.entropy import AbstractEntropy, AdaptiveEntropy
from handrail.learners.sac.intrinsic import AbstractIntrinsic, NoIntrinsic
from handrail.learners.sac.networks import (
    REWARD_CRITICS,
    CostCritic,
    CriticEnsemble,
    acted_on,
    observation_vector,
)
from handrail.learners.sac.pull import pulled
from handrail.learners.sac.source_data import SourceTransitions
from handrail.learners.sac.state import METRICS, SacParameters, SacState, Scalar
from handrail.learners.sac.worst_case import Critics, VarianceCritics, worst_costs
from handrail.networks.gaussian import Inputs

Noise = Float[Array, "batch action"]


OLD_NAMES = {"insistence": "action_repeat_prob", "charged": "actor_costs",
             "believed": "critic_reduction"}  # fmt: skip


@takes_old_names(OLD_NAMES)
class SacLagrangian(eqx.Module):
    """The update and its settings.

    Attributes:
        cost_limit: expected cost of one episode, undiscounted.
        constraints: names and limits of several costs, each with a critic and a multiplier of its
            own (beyond the paper); empty for one cost. Costs are scaled to the smallest limit.
        episode_length: steps of an episode, with which the limit is converted.
        discount: γ per step, of rewards and costs.
        smoothing: share of the old targets that an update keeps.
        reward_scale: factor of the environment's rewards (beyond the paper).
        learning_rate: of actor, critics and α.
        multiplier_rate: learning rate of β as a multiple of `learning_rate`.
        damping_scale: of κ; 0 turns damping off.
        entropy: how α comes about.
        distillation: the pull towards a guide; needs the extra `guide_log_prob`.
        intrinsic: a reward that the learner gives itself, such as `NeighbourEntropy`.
        weighted_square: how importance weights enter the critics' losses.
        reduce_multiplier: over the batch, of β's loss: `jnp.sum` (the scripts) or `jnp.mean`.
        cost_floor: the least cost that is used, in the actor's loss and in targets.
        constrained: whose costs β compares with the limit.
        actor_costs: which of its expected costs the actor is charged for.
        cost_critic: `linear` or `positive`, see `CriticEnsemble`.
        cost_critics: for each cost, each with its own target; all else looks at their mean.
        action_repeat_prob: of the cost critics' targets, see `lagrangian.repeated`.
        source_price: the least price of cost in steps of the source (beyond the paper).
        critic_reduction: of two reward critics: `jnp.min` (the scripts), or `jnp.mean`.
        pid: steers β in place of its gradient.
        risk_level: share of the worst outcomes whose expected cost counts; 1: the mean.
        inputs: what actor and critics read of an observation's vector, if not the vector.
    """

    cost_limit: float = eqx.field(default=25.0, static=True)
    constraints: tuple[tuple[str, float], ...] = eqx.field(default=(), static=True)
    episode_length: int = eqx.field(default=1000, static=True)
    discount: float = eqx.field(default=0.99, static=True)
    smoothing: float = eqx.field(default=0.995, static=True)
    reward_scale: float = eqx.field(default=1.0, static=True)
    learning_rate: float = eqx.field(default=1e-3, static=True)
    multiplier_rate: float = eqx.field(default=50.0, static=True)
    damping_scale: float = eqx.field(default=10.0, static=True)
    entropy: AbstractEntropy = AdaptiveEntropy()
    distillation: Distillation | None = None
    intrinsic: AbstractIntrinsic = NoIntrinsic()
    weighted_square: WeightedSquare = eqx.field(default=weight_inside_square, static=True)
    reduce_multiplier: Callable[[Array], Array] = eqx.field(default=jnp.sum, static=True)
    cost_floor: AbstractCostFloor = NoFloor()
    constrained: Constrained = eqx.field(default=replay_actions, static=True)
    actor_costs: ActorCosts = eqx.field(default=whole_cost, static=True)
    cost_critic: CostCritic = eqx.field(default="linear", static=True)
    cost_critics: int = eqx.field(default=1, static=True)
    action_repeat_prob: float = eqx.field(default=0.0, static=True)
    source_price: float = eqx.field(default=0.0, static=True)
    critic_reduction: Callable[[Array], Array] = eqx.field(default=jnp.min, static=True)
    pid: Pid | None = eqx.field(default=None, static=True)
    risk_level: float = eqx.field(default=1.0, static=True)
    inputs: Inputs = eqx.field(default=None, static=True)
    adam: Adam = Adam()

    def __check_init__(self):
        discounted_limit(self.cost_limit, self.discount, self.episode_length)
        cvar_factor(self.risk_level)
        number("reward_scale", self.reward_scale, Range(0, above=True))
        number("action_repeat_prob", self.action_repeat_prob, Range(0, 1, below=True))
        number("source_price", self.source_price, Range(0))

    @property
    def limit(self) -> float:
        """The cost limit on the critics' discounted scale."""
        return discounted_limit(self.cost_limit, self.discount, self.episode_length)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what an update reports."""
        return METRICS + tuple(
            f"sac/{what}/{name}"
            for what in ("multiplier", "cost_value")
            for name, _ in self.constraints
        )

    def init(
        self, observation: int, action: int, hidden: tuple[int, ...], *, key: Key[Array, ""]
    ) -> SacState:
        """Fresh networks for vectors of these sizes; the targets equal the critics."""
        parameters = SacParameters.init(
            observation, action, hidden,
            constraints=len(self.constraints), cost_critic=self.cost_critic,
            cost_critics=self.cost_critics, inputs=self.inputs, variance=self.risk_level < 1,
            intrinsic=jax.tree.map(jnp.copy, self.intrinsic.initial()), key=key,
        )  # fmt: skip
        pid = None
        if self.pid is not None:
            pid = self.pid.init(parameters.multiplier.shape)
            parameters = dataclasses.replace(parameters, multiplier=jnp.copy(pid.multiplier))
        # Copied, since a loop that donates its state must not find one array in it twice.
        targets = jax.tree.map(jnp.copy, (parameters.critics, parameters.variance))
        pid = jax.tree.map(jnp.copy, pid)
        return SacState(parameters, targets[0], self.adam.init(parameters), targets[1], pid)

    def update(
        self,
        state: SacState,
        batch: Transition,
        progress: Scalar,
        source: SourceTransitions | None = None,
        *,
        key: Key[Array, ""],
    ) -> tuple[SacState, dict[str, Scalar]]:
        """One update from a batch (every leaf has a leading axis); `progress` in [0, 1]."""
        now, after = jax.random.normal(key, (2, *batch.action.shape), batch.action.dtype)
        return self.update_with_noise(state, batch, progress, now, after, source)

    def update_with_noise(
        self,
        state: SacState,
        batch: Transition,
        progress: Scalar,
        noise: Noise,
        next_noise: Noise,
        source: SourceTransitions | None = None,
    ) -> tuple[SacState, dict[str, Scalar]]:
        """`update`, given the standard normal numbers of the actions in both observations.

        With as many steps of the source, cost critic and actor learn from those, too, by the same
        numbers. Metrics are means over the batch; `sac/finite` is 1 if every loss is a finite
        number.
        """
        gradients, metrics = jax.grad(self.loss, has_aux=True)(
            state.parameters, state.targets, batch, progress, noise, next_noise, source,
            state.variance_targets,
        )  # fmt: skip
        direction, adam = self.adam.direction(gradients, state.adam)
        step = jax.tree.map(lambda d: self.learning_rate * d, direction)
        step = eqx.tree_at(
            lambda p: p.multiplier, step, replace_fn=lambda slow: self.multiplier_rate * slow
        )
        parameters = jax.tree.map(jnp.subtract, state.parameters, step)
        pid = state.pid
        if self.pid and pid:  # the slope of β's loss is by how much the limit was kept
            pid = self.pid.update(pid, self.limit - gradients.multiplier, self.limit)
            parameters = dataclasses.replace(parameters, multiplier=pid.multiplier)
        targets = self.smooth(state.targets, parameters.critics)
        variance_targets = self.smooth(state.variance_targets, parameters.variance)
        return SacState(parameters, targets, adam, variance_targets, pid), metrics

    def smooth(self, targets: Critics, critics: Critics) -> Critics:
        """The targets after a step towards the critics."""
        keep = self.smoothing
        return jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, targets, critics)

    def loss(
        self,
        parameters: SacParameters,
        targets: CriticEnsemble,
        batch: Transition,
        progress: Scalar,
        noise: Noise,
        next_noise: Noise,
        source: SourceTransitions | None = None,
        variance_targets: VarianceCritics | None = None,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """The sum of all losses, each blind to the parameters that are not its own, and metrics."""
        frozen = jax.lax.stop_gradient(parameters)
        alpha = self.entropy.weight(parameters.entropy)
        beta = parameters.multiplier if self.pid else lagrangian.positive(parameters.multiplier)
        beta = jnp.atleast_1d(beta)  # one for each cost
        fixed_alpha, fixed_beta = jax.lax.stop_gradient((alpha, beta))
        pull, entropy_weight = pulled(
            self.distillation, batch, alpha=fixed_alpha, beta=jnp.max(fixed_beta), progress=progress
        )
        bonus = pull + self.intrinsic(batch, frozen.intrinsic)
        observations = jax.vmap(observation_vector)(batch.observation)

        goals = self._critic_targets(frozen, targets, batch, bonus, entropy_weight, next_noise)
        values = parameters.critics.fitted(observations, batch.action)
        square = jax.vmap(jax.vmap(self.weighted_square), in_axes=(0, None))
        critic_losses = square(values - jax.lax.stop_gradient(goals), batch.weight).mean(axis=1)

        expected = parameters.critics.agreed(jax.lax.stop_gradient(values[REWARD_CRITICS:]))
        cost_values, spread_loss = worst_costs(
            parameters, targets, variance_targets, batch, next_noise, expected,
            costs=scaled_costs(batch, self.constraints), discount=self.discount,
            level=self.risk_level,
        )  # fmt: skip
        damp = jax.vmap(lambda q: lagrangian.damping(q, self.limit, self.damping_scale))
        kappa = damp(cost_values)
        actor_losses, log_probs, acted_costs = self._actor_losses(
            parameters.actor, frozen, batch.observation, noise,
            entropy_weight=entropy_weight, multiplier=fixed_beta, damping=kappa,
        )  # fmt: skip
        actor_loss = jnp.mean(batch.weight * actor_losses)

        entropy_loss = jax.vmap(lambda log_prob: self.entropy.loss(alpha, log_prob, noise.shape[1]))
        alpha_loss = jnp.mean(entropy_loss(jax.lax.stop_gradient(log_probs)))
        limited = jax.vmap(self.constrained)(cost_values, jax.lax.stop_gradient(acted_costs))
        beta_loss = jnp.sum(jax.vmap(self._multiplier_loss)(beta, limited))
        total = actor_loss + jnp.sum(critic_losses) + alpha_loss + beta_loss + spread_loss
        if parameters.intrinsic is not None:
            total += self.intrinsic.loss(parameters.intrinsic, batch)
        if source is not None:
            total += self._source_loss(
                parameters, targets, source, (noise, next_noise), entropy_weight=entropy_weight,
                multiplier=jnp.maximum(fixed_beta, self.source_price), damping=kappa,
            )  # fmt: skip
        expected = jnp.mean(expected, axis=1)
        apart = (*beta, *expected) if self.constraints else ()
        metrics = (
            actor_loss, jnp.mean(critic_losses[:REWARD_CRITICS]),
            jnp.mean(critic_losses[REWARD_CRITICS:]), alpha, jnp.max(beta), jnp.mean(kappa),
            -jnp.mean(log_probs), jnp.mean(values[0]), jnp.max(expected), jnp.mean(bonus),
            jnp.isfinite(total).astype(total.dtype), *apart,
        )  # fmt: skip
        return total, dict(zip(self.metrics, metrics, strict=True))

    def _actor_losses(self, actor, frozen, observation, noise, **prices):
        """Of each observation: the loss, log π of the action, and the costs that are used."""
        vectors = jax.vmap(observation_vector)(observation)
        actions, log_probs = acted_on(actor, vectors, noise)
        acted = frozen.critics.batch(vectors, actions)
        expected = frozen.critics.agreed(acted[REWARD_CRITICS:])
        costs = jax.vmap(self.cost_floor)(expected.T, observation, actions).T
        if frozen.variance is not None:
            costs = frozen.variance.worst(costs, vectors, actions, level=self.risk_level)
        losses = jax.vmap(
            lambda *values: lagrangian.actor_loss(
                *values, critic_reduction=self.critic_reduction, **prices
            )
        )(log_probs, acted[:REWARD_CRITICS].T, jax.vmap(self.actor_costs)(costs).T)
        return losses, log_probs, costs

    def _source_loss(self, parameters, targets, source: SourceTransitions, noise, **prices):
        """Of cost critic and actor, from steps of the source; no reward is known of them."""
        now, after = noise
        frozen = jax.lax.stop_gradient(parameters)
        next_actions, _ = acted_on(
            frozen.actor, jax.vmap(observation_vector)(source.next_observation), after
        )
        following = jax.vmap(targets.every_cost)(source.next_observation, next_actions)
        floored = self.cost_floor.of_members(
            following, source.next_observation, next_actions, self.cost_critics
        )
        goals = self._cost_goals(source.cost[None], source.terminated, floored.T)
        vectors = jax.vmap(observation_vector)(source.observation)
        values = parameters.critics.fitted(vectors, source.action)[REWARD_CRITICS:]
        errors = values - jax.lax.stop_gradient(goals)
        square = jax.vmap(jax.vmap(lambda error: self.weighted_square(error, jnp.ones(()))))
        actor_losses, _, _ = self._actor_losses(
            parameters.actor, frozen, source.observation, now, **prices
        )
        return jnp.sum(square(errors).mean(axis=1)) + jnp.mean(actor_losses)

    def _cost_goals(self, costs, terminated, following):
        """One row a critic: what each step costs (one row a cost), and what is to follow."""
        costs = costs if self.cost_critics == 1 else jnp.repeat(costs, self.cost_critics, axis=0)
        one = jax.vmap(lambda *x: lagrangian.cost_target(*x, discount=self.discount))
        return jax.vmap(one, in_axes=(0, None, 0))(costs, terminated, following)

    def _multiplier_loss(self, beta: Scalar, costs: Float[Array, " batch"]) -> Scalar:
        """Of one cost, from a batch of the critic's values that are compared with the limit."""
        losses = jax.vmap(lambda q: lagrangian.multiplier_loss(beta, q, limit=self.limit))
        return jnp.mean(losses(costs)) if self.pid else self.reduce_multiplier(losses(costs))

    def _critic_targets(self, frozen, targets, batch, bonus, entropy_weight, next_noise):
        """What the critics should say; a time limit is no end, so it is bootstrapped."""
        observations = jax.vmap(observation_vector)(batch.next_observation)
        actions, log_probs = acted_on(frozen.actor, observations, next_noise)
        following = targets.batch(observations, actions)
        terminated = batch.terminated.astype(bonus.dtype)
        rewards = self.reward_scale * batch.reward + bonus
        reward_goal = jax.vmap(
            lambda *x: lagrangian.reward_target(
                *x,
                discount=self.discount,
                entropy_weight=entropy_weight,
                critic_reduction=self.critic_reduction,
            )
        )(rewards, terminated, following[:REWARD_CRITICS].T, log_probs)
        floored = self.cost_floor.of_members(
            following[REWARD_CRITICS:].T, batch.next_observation, actions, self.cost_critics
        )
        costs = self._with_repeats(targets, batch, floored.T)
        cost_goals = self._cost_goals(scaled_costs(batch, self.constraints), terminated, costs)
        return jnp.concatenate([reward_goal[None], reward_goal[None], cost_goals])

    def _with_repeats(self, targets, batch, costs):
        """What follows if the action may be repeated, from what follows if the policy goes on."""
        if not self.action_repeat_prob:
            return costs
        again = jax.vmap(targets.every_cost)(batch.next_observation, batch.action)
        again = self.cost_floor.of_members(
            again, batch.next_observation, batch.action, self.cost_critics
        )
        return lagrangian.repeated(costs, again.T, action_repeat_prob=self.action_repeat_prob)
