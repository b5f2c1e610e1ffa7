"""An on-policy agent: acts, keeps one batch of its steps, learns from it, forgets it."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action, Context, Decision, Observation, Transition
from handrail.equations.advantages import generalised_advantages
from handrail.learners.base import AbstractAgent, Clock, Proposal
from handrail.learners.onpolicy.batch import BatchMemory, Excess, Experience, centred, standardised
from handrail.learners.onpolicy.minibatches import one_pass
from handrail.learners.onpolicy.policy import first_policy
from handrail.learners.onpolicy.updates import AbstractPolicyUpdate, Cpo
from handrail.learners.sac.networks import OnVectors, observation_vector, vector_sizes
from handrail.networks.gaussian import GaussianPolicy
from handrail.networks.initialisers import glorot_uniform
from handrail.networks.inputs import ScaledInputs
from handrail.networks.mlp import MLP

PRE_SQUASH = "pre_squash"
METRICS = (
    "onpolicy/reward_value",  # mean V of reward over the batch, discounted
    "onpolicy/cost_value",  # mean V of cost over the batch, discounted
    "onpolicy/value_loss",  # squared errors of both, summed, in the last pass
    "onpolicy/cost_per_step",  # mean over the batch
    "onpolicy/excess",  # an episode's mean cost above the limit
    "onpolicy/deviation",  # of the policy before the squash, mean over the batch
)


class OnPolicyParameters(eqx.Module):
    """The networks."""

    actor: GaussianPolicy
    values: MLP  # of reward and of cost: every array has a leading axis of the two


class OnPolicyState(eqx.Module):
    """The learner between two batches."""

    parameters: OnPolicyParameters
    adam: PyTree  # of the values
    update: PyTree  # of the policy's update


class OnPolicyAgentState(eqx.Module):
    """The learner, and the batch that is being collected."""

    learner: OnPolicyState
    batch: BatchMemory


class OnPolicyAgent(AbstractAgent):
    """Learns from `train_every` steps of its own policy at a time, and never from older ones.

    In the environments side by side, in whose order the loop hands over the steps of each vector
    step, each must have taken a whole number of them. What an intervention executes in the
    policy's place counts as a part of the environment: the policy answers for what it proposed.

    Attributes:
        update: of the policy.
        limit: expected cost of an episode, undiscounted.
        limit_steps: steps of an episode, at most.
        environments: how many stand side by side.
        hidden: widths of the hidden layers of policy and values.
        inputs: what both read of an observation's vector, if not the vector.
        train_every: steps of a batch, of all environments together.
        discount: γ per step, of rewards and costs.
        trace: λ of the advantages, of rewards and costs.
        log_std: of the first policy, before the squash.
        value_passes: over the batch, in which both values are fitted.
        minibatch: steps of an update of the values.
        rate: step size of Adam for the values.
        initial: what the learner begins with, instead of afresh.
    """

    update: AbstractPolicyUpdate = Cpo()
    limit: float | Float[Array, ""] = 25.0
    limit_steps: int = eqx.field(default=1_000, static=True)
    environments: int = eqx.field(default=1, static=True)
    hidden: tuple[int, ...] = eqx.field(default=(64, 64), static=True)
    inputs: ScaledInputs | None = None
    train_every: int = eqx.field(default=5_000, static=True)
    discount: float = eqx.field(default=0.99, static=True)
    trace: float = eqx.field(default=0.95, static=True)
    log_std: float = eqx.field(default=-0.5, static=True)
    value_passes: int = eqx.field(default=10, static=True)
    minibatch: int = eqx.field(default=64, static=True)
    rate: float = eqx.field(default=1e-3, static=True)
    initial: OnPolicyState | None = None
    learning_starts: int = eqx.field(default=0, static=True)

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*METRICS, *self.update.metrics)

    def __check_init__(self):
        for what, size in (("environments", self.environments), ("minibatch", self.minibatch)):
            if not 1 <= size <= self.train_every:
                raise HandrailError(
                    f"{what} is {size}: expected a number from 1 to {self.train_every}, the steps "
                    "of a batch"
                )
        if self.train_every % self.environments:
            raise HandrailError(
                f"a batch of {self.train_every} steps in {self.environments} environments: "
                "expected a multiple of them"
            )

    def init(self, example: Transition, *, key: Key[Array, ""]) -> OnPolicyAgentState:
        sizes = vector_sizes(example, "on-policy methods need")
        if self.initial is None:
            learner = self.fresh(*sizes, key=stream(key, "networks"))
        else:  # copied: no array of a state that a loop donates may be the agent's, too
            learner = jax.tree.map(jnp.copy, self.initial)
        extras = {PRE_SQUASH: jnp.zeros_like(example.action)}
        example = eqx.tree_at(lambda t: t.extras, example, extras)
        return OnPolicyAgentState(learner, BatchMemory.init(example, self.train_every))

    def fresh(self, observation: int, action: int, *, key: Key[Array, ""]) -> OnPolicyState:
        """A learner that has learnt nothing, for vectors of these sizes."""
        actor_key, value_key = jax.random.split(key)
        actor = first_policy(
            observation, action, self.hidden,
            log_std=self.log_std, inputs=self.inputs, key=actor_key,
        )  # fmt: skip
        sizes = (observation, *self.hidden, 1)
        values = eqx.filter_vmap(lambda k: MLP(sizes, init=glorot_uniform, key=k))(
            jax.random.split(value_key)
        )
        adam = optax.adam(self.rate).init(eqx.filter(values, eqx.is_array))
        return OnPolicyState(OnPolicyParameters(actor, values), adam, self.update.init(actor))

    def prepare(self, state: OnPolicyAgentState, *, key: Key[Array, ""]) -> OnVectors:
        return OnVectors(state.learner.parameters.actor)

    def propose(
        self,
        policy_snapshot: OnVectors,
        observation: Observation,
        clock: Clock,
        *,
        key: Key[Array, ""],
    ) -> Proposal:
        pre_squash = policy_snapshot(observation).sample(key=stream(key, "policy"))
        return Proposal(jnp.tanh(pre_squash), {PRE_SQUASH: pre_squash})

    def evaluation_action(
        self, policy_snapshot: OnVectors, observation: Observation, *, key: Key[Array, ""]
    ) -> Action:
        """A random action of the policy, as the other methods are evaluated."""
        return jnp.tanh(policy_snapshot(observation).sample(key=key))

    def annotate(
        self, policy_snapshot: OnVectors, context: Context, decision: Decision
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        return jnp.ones(()), {PRE_SQUASH: context.extras[PRE_SQUASH]}

    def observe(
        self, state: OnPolicyAgentState, transition: Transition, clock: Clock
    ) -> OnPolicyAgentState:
        place = (clock.step - 1) % self.train_every
        return OnPolicyAgentState(state.learner, state.batch.add(transition, place))

    def learn(
        self,
        state: OnPolicyAgentState,
        policy_snapshot: OnVectors,
        clock: Clock,
        *,
        key: Key[Array, ""],
    ) -> tuple[OnPolicyAgentState, dict[str, Float[Array, ""]]]:
        """One update of the policy on the batch, then the fit of both values."""
        learner, steps = state.learner, state.batch.items
        before = learner.parameters
        experience, targets, metrics = self.experience(before, steps)
        actor, update, reported = self.update(
            before.actor, learner.update, experience, key=stream(key, "policy update")
        )
        values, adam, loss = self._fitted(
            before.values, learner.adam, experience.observations, targets, stream(key, "values")
        )
        learner = OnPolicyState(OnPolicyParameters(actor, values), adam, update)
        metrics = {**metrics, "onpolicy/value_loss": loss, **reported}
        return OnPolicyAgentState(learner, state.batch), metrics

    def experience(
        self, parameters: OnPolicyParameters, steps: Transition
    ) -> tuple[Experience, Float[Array, "batch two"], Mapping[str, Float[Array, ""]]]:
        """A batch as the update sees it, the targets of the values, and metrics."""
        observations = jax.vmap(observation_vector)(steps.observation)
        now = self._values(parameters.values, observations)
        following = self._values(
            parameters.values, jax.vmap(observation_vector)(steps.next_observation)
        )
        signals = jnp.stack([steps.reward, steps.cost], axis=1)
        ended = steps.terminated | steps.truncated
        terminated = jnp.asarray(steps.terminated, now.dtype)

        def of_signal(signal, value, after):
            """Of one signal: in each environment by itself, and back into the batch's order."""

            def apart(leaf: Array) -> Array:
                return leaf.reshape(-1, self.environments)

            each = jax.vmap(
                lambda *x: generalised_advantages(*x, discount=self.discount, trace=self.trace),
                in_axes=1, out_axes=1,
            )  # fmt: skip
            trajectories = (signal, value, after, terminated, jnp.asarray(ended, now.dtype))
            return each(*map(apart, trajectories)).reshape(-1)

        advantages = jax.vmap(of_signal, in_axes=1, out_axes=1)(signals, now, following)
        old = jax.vmap(parameters.actor)(observations)
        excess = Excess.of(steps.cost, ended, limit=self.limit, longest=self.limit_steps)
        experience = Experience(
            observations=observations,
            pre_squash=steps.extras[PRE_SQUASH],
            old=old,
            reward_advantages=standardised(advantages[:, 0]),
            cost_advantages=centred(advantages[:, 1]),
            excess=excess,
        )
        means = jnp.mean(now, axis=0)
        return experience, advantages + now, {
            "onpolicy/reward_value": means[0],
            "onpolicy/cost_value": means[1],
            "onpolicy/cost_per_step": jnp.mean(steps.cost),
            "onpolicy/excess": excess.of_episode,
            "onpolicy/deviation": jnp.mean(jnp.exp(old.log_std)),
        }  # fmt: skip

    def _values(
        self, networks: MLP, observations: Float[Array, "batch n"]
    ) -> Float[Array, "batch two"]:
        read = observations if self.inputs is None else jax.vmap(self.inputs)(observations)
        each = eqx.filter_vmap(lambda network: jax.vmap(network)(read)[:, 0], out_axes=1)
        return each(networks)

    def _fitted(
        self,
        networks: MLP,
        adam: PyTree,
        observations: Float[Array, "batch n"],
        targets: Float[Array, "batch two"],
        key: Key[Array, ""],
    ) -> tuple[MLP, PyTree, Any]:
        learnt, rest = eqx.partition(networks, eqx.is_array)

        def loss(learnt: PyTree, rows: Any) -> Float[Array, ""]:
            seen, wanted = rows
            errors = self._values(eqx.combine(learnt, rest), seen) - wanted
            return jnp.sum(jnp.mean(errors**2, axis=0))

        def another(carry: Any, number: Array):
            learnt, adam = carry
            learnt, adam, value = one_pass(
                loss, optax.adam(self.rate), learnt, adam, (observations, targets),
                minibatch=self.minibatch, key=stream(key, "pass", number),
            )  # fmt: skip
            return (learnt, adam), value

        (learnt, adam), losses = jax.lax.scan(
            another, (learnt, adam), jnp.arange(self.value_passes)
        )
        return eqx.combine(learnt, rest), adam, losses[-1]
