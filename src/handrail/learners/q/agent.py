"""The deep Q-learning agent: ε-greedy, replay, target network."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.informed import informed
from handrail.core.renamed import takes_old_names
from handrail.core.rng import stream
from handrail.core.types import Observation, Transition
from handrail.equations.action_masks import allowed_values, random_allowed
from handrail.equations.schedules import exploration_rate, importance_exponent
from handrail.learners.base import AbstractAgent, Clock, Proposal
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.novelty import Novelty, rewarded
from handrail.learners.standardising import measured_once
from handrail.learners.stored import AbstractStored
from handrail.networks.reading import is_unmeasured
from handrail.replay.base import AbstractReplay


class Exploration(eqx.Module):
    """ε falls linearly from `start` to `end` over `fraction` of the run.

    A fraction above 1 ends the run before the schedule: acting stays mostly random.
    """

    start: float = eqx.field(default=1.0, static=True)
    end: float = eqx.field(default=0.05, static=True)
    fraction: float = eqx.field(default=0.9, static=True)

    def __call__(self, clock: Clock) -> Float[Array, ""]:
        return exploration_rate(
            clock.progress, start=self.start, end=self.end, fraction=self.fraction
        )


class Actor(eqx.Module):
    """What a block of steps acts with, and the way from values back to parameters."""

    values: Any
    pullback: Callable[[Any], tuple[PyTree]] | None  # None where nothing is learnt


class QState(eqx.Module):
    """Everything that a Q-learning agent carries through a run."""

    network: PyTree
    target: Any  # the target network, as `values.prepare` left it
    optimizer: PyTree
    replay: PyTree
    counts: Int[Array, " kinds"] | None = None  # of visited states, where they earn a bonus


@takes_old_names({"block": "train_every"})
class QAgent(AbstractAgent):
    """Q-learning from replay: every `train_every` steps one update on `batch` transitions.

    Where the environment says which actions are allowed, no other one is proposed, drawn at random
    or bootstrapped from (`equations.action_masks`).

    The target network is copied after the update at every multiple of `target_every` steps,
    which is to be a multiple of `train_every`.
    arXiv:2503.10318 uses double Q, proportional replay, train_every 10, batch 128, target_every 500
    and learning_starts 10,000.
    """

    loss: TDLoss
    make_network: Callable[..., PyTree]  # (key=) -> network
    optimizer: optax.GradientTransformation = eqx.field(static=True)
    replay: AbstractReplay
    exploration: Exploration
    actions: int = eqx.field(static=True)
    train_every: int = eqx.field(default=10, static=True)
    batch: int = eqx.field(default=128, static=True)
    target_every: int = eqx.field(default=500, static=True)
    learning_starts: int = eqx.field(default=10_000, static=True)
    metrics: tuple[str, ...] = eqx.field(default=("losses/td", "losses/td_error"), static=True)
    novelty: Novelty | None = None
    stored: tuple[AbstractStored, ...] = ()  # what is changed of a transition before it is stored

    def __check_init__(self):
        if self.target_every < 1 or self.target_every % self.train_every:
            raise HandrailError(
                f"target_every is {self.target_every}: expected a multiple of train_every, "
                f"{self.train_every} steps, else the target network is copied too seldom"
            )

    def init(self, example: Transition, *, key: Key[Array, ""]) -> QState:
        network = self.make_network(key=stream(key, "network"))
        # Copied, since a loop that donates its state must not find one array in it twice.
        target = jax.tree.map(jnp.copy, self.loss.values.prepare(network))
        return QState(
            network=network,
            target=target,
            optimizer=self.optimizer.init(network),
            replay=self.replay.init(example),
            counts=None if self.novelty is None else self.novelty.init(),
        )

    def prepare(self, state: QState, *, key: Key[Array, ""]) -> Actor:
        return Actor(*jax.vjp(self.loss.values.prepare, state.network))

    def fresh_network(self, *, key: Key[Array, ""]) -> PyTree:
        """An untrained network: the template that a saved one is read into."""
        return self.make_network(key=key)

    def actor(self, network: PyTree) -> Actor:
        """What a network acts with when nothing is learnt."""
        return Actor(self.loss.values.prepare(network), None)

    def propose(
        self, policy_snapshot: Actor, observation: Observation, clock: Clock, *, key: Key[Array, ""]
    ) -> Proposal:
        explore, which, greedy = jax.random.split(key, 3)
        allowed = informed(observation).allowed
        if allowed is None:
            random = jax.random.randint(which, (), 0, self.actions)
        else:
            random = random_allowed(allowed, key=which)
        best = self.evaluation_action(policy_snapshot, observation, key=greedy)
        explores = jax.random.uniform(explore) < self.exploration(clock)
        return Proposal(jnp.where(explores, random, best), {})

    def evaluation_action(
        self, policy_snapshot: Actor, observation: Observation, *, key: Key[Array, ""]
    ) -> Int[Array, ""]:
        seen = informed(observation)
        values = self.loss.values(policy_snapshot.values, seen.observation, key=key)
        return jnp.argmax(allowed_values(values, seen.allowed)).astype(jnp.int32)

    def observe(self, state: QState, transition: Transition, clock: Clock) -> QState:
        kept = transition
        for changed in self.stored:
            kept = changed(kept)
        state = eqx.tree_at(lambda s: s.replay, state, self.replay.add(state.replay, kept))
        if self.novelty is None or state.counts is None:
            return state
        counts = self.novelty.count(state.counts, transition)
        return eqx.tree_at(lambda s: s.counts, state, counts)

    def gradient(
        self,
        policy_snapshot: Actor,
        target: Any,
        replay: PyTree,
        clock: Clock,
        *,
        counts: Int[Array, " kinds"] | None = None,
        key: Key[Array, ""],
    ) -> "GradientStep":
        """Samples, and pulls the gradient of the loss back to the parameters."""
        # the target is copied after the update at a multiple of `target_every`; the values of
        # the copied parameters are known now, a block later, without another evaluation
        copied = (clock.step - self.train_every) % self.target_every == 0
        target = jax.tree.map(
            lambda new, old: jnp.where(copied, new, old), policy_snapshot.values, target
        )
        beta = importance_exponent(clock.progress)
        sample = self.replay.sample(replay, self.batch, beta=beta, key=stream(key, "replay"))
        items = rewarded(self.novelty, counts, sample.items)
        loss, errors, cotangent = self.loss.gradient(
            policy_snapshot.values, target, items, sample.weights, key=stream(key, "loss")
        )
        assert policy_snapshot.pullback is not None, "an actor made for acting alone cannot learn"
        (gradients,) = policy_snapshot.pullback(cotangent)
        return GradientStep(
            gradients=gradients,
            target=target,
            replay=self.replay.feedback(replay, sample.indices, errors),
            metrics={"losses/td": loss, "losses/td_error": jnp.mean(jnp.abs(errors))},
        )

    def learn(
        self, state: QState, policy_snapshot: Actor, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[QState, dict[str, Float[Array, ""]]]:
        unmeasured = is_unmeasured(state.network)
        if unmeasured is None:
            return self._learnt(state, policy_snapshot, clock, key)
        # the snapshot was made of what is not yet standardised: nothing is learnt from it
        nothing = {name: jnp.zeros(()) for name in self.metrics}
        return jax.lax.cond(
            unmeasured,
            lambda: (self._measured(state), nothing),
            lambda: self._learnt(state, policy_snapshot, clock, key),
        )

    def _measured(self, state: QState) -> QState:
        network, target = measured_once((state.network, state.target), self.replay, state.replay)
        return QState(network, target, state.optimizer, state.replay, state.counts)

    def _learnt(
        self, state: QState, policy_snapshot: Actor, clock: Clock, key: Key[Array, ""]
    ) -> tuple[QState, dict[str, Float[Array, ""]]]:
        step = self.gradient(
            policy_snapshot, state.target, state.replay, clock, counts=state.counts, key=key
        )
        updates, optimizer = self.optimizer.update(step.gradients, state.optimizer, state.network)
        network = optax.apply_updates(state.network, updates)
        return QState(network, step.target, optimizer, step.replay, state.counts), step.metrics


class GradientStep(eqx.Module):
    """A sampled batch's gradient, and what else sampling it has changed."""

    gradients: PyTree
    target: Any
    replay: PyTree
    metrics: dict[str, Float[Array, ""]]
