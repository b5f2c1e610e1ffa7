"""Q-learning on the latent of an auto-encoder that is trained alongside (DQN + AE, DQN + VAE)."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped

from handrail.core.rng import stream
from handrail.core.types import Observation, Transition
from handrail.learners.base import AbstractActingAs, Clock
from handrail.learners.q.agent import Actor, QAgent
from handrail.learners.q.values import AbstractValues
from handrail.learners.representation.autoencoder import AutoencoderLearner, AutoencoderState
from handrail.learners.sac.networks import observation_vector
from handrail.networks.autoencoder import VariationalEncoder, reparameterise
from handrail.replay.ring import Ring


class LatentQ(eqx.Module):
    """Action values read off a latent: `head(encoder(observation))`."""

    encoder: Callable[[Array], Array]
    head: Callable[[Array], Array]

    def __call__(self, observation: Array) -> Float[Array, " actions"]:
        return self.head(self.encoder(observation))


class SampledLatents(AbstractValues):
    """A variational encoder evaluated on all live rows; a latent is drawn at every call.

    The original scripts sample the latent whenever they act or learn.
    """

    frames: Shaped[Array, "live *frame"]

    def prepare(self, network: LatentQ) -> Any:
        assert isinstance(network.encoder, VariationalEncoder)
        return (*network.encoder.distribution(self.frames), network.head)

    def __call__(
        self, policy_snapshot: Any, observation: Int[Array, ""], *, key: Key[Array, ""]
    ) -> Float[Array, " actions"]:
        means, log_variances, head = policy_snapshot
        mean = means.at[observation].get(mode="clip")
        log_variance = log_variances.at[observation].get(mode="clip")
        return head(reparameterise(mean, log_variance, jax.random.normal(key, mean.shape)))


class VectorLatents(AbstractValues):
    """A `LatentQ` called on an observation's parts side by side.

    With `sampled`, the latent of a variational encoder is drawn at every call.
    """

    sampled: bool = eqx.field(static=True)

    def __call__(
        self, policy_snapshot: LatentQ, observation: Observation, *, key: Key[Array, ""]
    ) -> Float[Array, " actions"]:
        vector = observation_vector(observation)
        if not self.sampled:
            return policy_snapshot(vector)
        assert isinstance(policy_snapshot.encoder, VariationalEncoder)
        return policy_snapshot.head(policy_snapshot.encoder.sample(vector, key=key))


class LatentState(eqx.Module):
    """Everything that the agent carries through a run."""

    autoencoder: AutoencoderState
    head: PyTree
    head_optimizer: PyTree
    target: Any
    replay: PyTree
    seen: PyTree  # observations for the auto-encoder

    @property
    def network(self) -> LatentQ:
        """The action values that are read off the latent."""
        return LatentQ(self.autoencoder.model.encoder, self.head)


class LatentAgent(AbstractActingAs):
    """`acting` with its network read off an auto-encoder's latent.

    At the end of a block the temporal-difference gradient steps the head, and the encoder
    (clipped to its own norm, with the encoder's own Adam), once `acting` has seen its own
    `learning_starts`; then the auto-encoder takes its `updates` on `batch` observations each, from
    `learning_starts` on. Differs from the originals, which update it every 5 steps: here twice at
    the end of 10.
    """

    acting: QAgent
    autoencoder: AutoencoderLearner
    make_head: Callable[..., PyTree]  # (key=) -> head
    encoder_input: Callable[[Any], Shaped[Array, "batch *input"]]  # of a batch of observations
    seen: Ring
    updates: int = eqx.field(default=2, static=True)
    batch: int = eqx.field(default=32, static=True)
    learning_starts: int = eqx.field(default=1_000, static=True)  # of the auto-encoder

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*self.acting.metrics, "losses/reconstruction")

    def init(self, example: Transition, *, key: Key[Array, ""]) -> LatentState:
        autoencoder = self.autoencoder.init(stream(key, "autoencoder"))
        head = self.make_head(key=stream(key, "head"))
        target = self.acting.loss.values.prepare(LatentQ(autoencoder.model.encoder, head))
        return LatentState(
            autoencoder=autoencoder,
            head=head,
            head_optimizer=self.acting.optimizer.init(head),
            # Copied, since a loop that donates its state must not find one array in it twice.
            target=jax.tree.map(jnp.copy, target),
            replay=self.acting.replay.init(example),
            seen=self.seen.init(example.observation),
        )

    def prepare(self, state: LatentState, *, key: Key[Array, ""]) -> Actor:
        return Actor(*jax.vjp(self.acting.loss.values.prepare, state.network))

    def fresh_network(self, *, key: Key[Array, ""]) -> LatentQ:
        """An untrained network: the template that a saved one is read into."""
        encoder = self.autoencoder.make(key=stream(key, "autoencoder")).encoder
        return LatentQ(encoder, self.make_head(key=stream(key, "head")))

    def actor(self, network: LatentQ) -> Actor:
        """What a network acts with when nothing is learnt."""
        return Actor(self.acting.loss.values.prepare(network), None)

    def observe(self, state: LatentState, transition: Transition, clock: Clock) -> LatentState:
        replay = self.acting.replay.add(state.replay, transition)
        seen = self.seen.add(state.seen, transition.observation)
        return eqx.tree_at(lambda s: (s.replay, s.seen), state, (replay, seen))

    def learn(
        self, state: LatentState, policy_snapshot: Actor, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[LatentState, dict[str, Float[Array, ""]]]:
        state, metrics = jax.lax.cond(
            clock.step > self.acting.learning_starts,
            lambda: self._from_rewards(state, policy_snapshot, clock, key=key),
            lambda: (state, {name: jnp.zeros(()) for name in self.acting.metrics}),
        )

        def reconstruct(autoencoder: AutoencoderState, key: Key[Array, ""]):
            drawn = self.seen.sample(state.seen, self.batch, key=stream(key, "seen")).items
            labels = jnp.zeros(self.batch, bool)
            inputs = self.encoder_input(drawn)
            return self.autoencoder.update(autoencoder, inputs, labels, key=key)

        keys = jax.random.split(stream(key, "autoencoder"), self.updates)
        autoencoder, measured = jax.lax.scan(reconstruct, state.autoencoder, keys)
        reconstruction = measured["autoencoder/reconstruction"].mean()
        learnt = eqx.tree_at(lambda s: s.autoencoder, state, autoencoder)
        return learnt, {**metrics, "losses/reconstruction": reconstruction}

    def _from_rewards(
        self, state: LatentState, policy_snapshot: Actor, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[LatentState, dict[str, Float[Array, ""]]]:
        """The temporal-difference step of head and encoder."""
        step = self.acting.gradient(policy_snapshot, state.target, state.replay, clock, key=key)
        updates, head_optimizer = self.acting.optimizer.update(
            step.gradients.head, state.head_optimizer, state.head
        )
        learnt = LatentState(
            autoencoder=self.autoencoder.step_encoder(state.autoencoder, step.gradients.encoder),
            head=optax.apply_updates(state.head, updates),
            head_optimizer=head_optimizer,
            target=step.target,
            replay=step.replay,
            seen=state.seen,
        )
        return learnt, step.metrics
