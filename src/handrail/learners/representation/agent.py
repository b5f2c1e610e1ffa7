"""Learning a safe/unsafe representation while another agent acts (phase 1 of 2503.10318)."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

from handrail.core.rng import stream
from handrail.core.types import Transition
from handrail.learners.base import AbstractActingAs, AbstractAgent, Clock
from handrail.learners.representation.autoencoder import AutoencoderLearner, AutoencoderState
from handrail.learners.representation.foresight import Foresight, Waiting
from handrail.replay.ring import Ring


class RepresentationState(eqx.Module):
    """Everything that the agent carries through a run."""

    acting: PyTree
    autoencoder: AutoencoderState
    seen: PyTree  # any observations; with foresight those that no harm followed
    unsafe: PyTree  # those just before a violation, or a few steps before
    waiting: Waiting | None = None  # with foresight: of which that is not known yet


class Frames(eqx.Module):
    """Observations that are rows of a table, as what the auto-encoder sees."""

    table: Shaped[Array, "rows *frame"]

    def __call__(self, rows: Int[Array, " batch"]) -> Shaped[Array, "batch *frame"]:
        return self.table[rows]


class RepresentationAgent(AbstractActingAs):
    """`acting` acts and learns its task; an auto-encoder learns from what it sees.

    A batch is half observations seen at any time (labelled safe, even if another action would
    have been a violation there) and half from those just before a violation. `updates` a
    block, from `learning_starts` on; `acting` learns from its own `learning_starts` on. `show`
    turns a batch of observations into the array that the auto-encoder sees.

    With `foresight` an observation is labelled once its next steps are over, and those that harm
    followed are not among the safe ones.
    """

    acting: AbstractAgent
    autoencoder: AutoencoderLearner
    show: Callable[[Any], Shaped[Array, "batch *frame"]]
    seen: Ring
    unsafe: Ring
    updates: int = eqx.field(default=2, static=True)
    batch: int = eqx.field(default=128, static=True)
    learning_starts: int = eqx.field(default=1_000, static=True)  # of the auto-encoder
    foresight: Foresight | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("losses/autoencoder", "losses/reconstruction")

    def init(self, example: Transition, *, key: Key[Array, ""]) -> RepresentationState:
        return RepresentationState(
            acting=self.acting.init(example, key=stream(key, "acting")),
            autoencoder=self.autoencoder.init(stream(key, "autoencoder")),
            seen=self.seen.init(example.observation),
            unsafe=self.unsafe.init(example.observation),
            waiting=None if self.foresight is None else self.foresight.init(example.observation),
        )

    def prepare(self, state: RepresentationState, *, key: Key[Array, ""]) -> Any:
        return self.acting.prepare(state.acting, key=key)

    def observe(
        self, state: RepresentationState, transition: Transition, clock: Clock
    ) -> RepresentationState:
        acting = self.acting.observe(state.acting, transition, clock)
        if self.foresight is None or state.waiting is None:
            return RepresentationState(
                acting=acting,
                autoencoder=state.autoencoder,
                seen=self.seen.add(state.seen, transition.observation),
                unsafe=self.unsafe.add(
                    state.unsafe, transition.observation, where=transition.cost > 0
                ),
            )
        waiting, judged = self.foresight(state.waiting, transition)
        oldest = jax.tree.map(lambda leaf: leaf[0], judged.observations)
        return RepresentationState(
            acting=acting,
            autoencoder=state.autoencoder,
            seen=self.seen.add(state.seen, oldest, where=judged.safe),
            unsafe=self.unsafe.add_each(state.unsafe, judged.observations, where=judged.unsafe),
            waiting=waiting,
        )

    def learn(
        self, state: RepresentationState, policy_snapshot: Any, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[RepresentationState, dict[str, Float[Array, ""]]]:
        acting = jax.lax.cond(
            clock.step > self.acting.learning_starts,
            lambda: self.acting.learn(
                state.acting, policy_snapshot, clock, key=stream(key, "acting")
            )[0],
            lambda: state.acting,
        )

        def update(autoencoder: AutoencoderState, key: Key[Array, ""]):
            drawn, labels = self._draw(state, key=stream(key, "draw"))
            return self.autoencoder.update(autoencoder, self.show(drawn), labels, key=key)

        keys = jax.random.split(stream(key, "autoencoder"), self.updates)
        autoencoder, measured = jax.lax.scan(update, state.autoencoder, keys)
        metrics = {
            "losses/autoencoder": measured["autoencoder/loss"].mean(),
            "losses/reconstruction": measured["autoencoder/reconstruction"].mean(),
        }
        state = RepresentationState(acting, autoencoder, state.seen, state.unsafe, state.waiting)
        return state, metrics

    def _draw(
        self, state: RepresentationState, *, key: Key[Array, ""]
    ) -> tuple[Any, Bool[Array, " batch"]]:
        half = self.batch // 2
        seen = self.seen.sample(state.seen, self.batch, key=stream(key, "seen")).items
        unsafe = self.unsafe.sample(state.unsafe, half, key=stream(key, "unsafe")).items
        known = self.unsafe.size(state.unsafe) > 0  # before the first violation: seen ones only

        def both(seen: Array, unsafe: Array) -> Array:
            second = jnp.where(known, unsafe, seen[half:])
            return jnp.concatenate([seen[: self.batch - half], second])

        labels = jnp.concatenate([jnp.zeros(self.batch - half, bool), jnp.full(half, known)])
        return jax.tree.map(both, seen, unsafe), labels
