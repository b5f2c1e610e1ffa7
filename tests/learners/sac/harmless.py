"""Learners that are shown random transitions, whatever they would do themselves."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.types import Transition
from handrail.learners.sac.constraint import policy_actions
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.source_data import SourceTransitions

BATCH, UPDATES = 32, 6000


def settled(
    batch_of: Callable[[Float[Array, "batch 1"]], Transition],
    *,
    source_of: Callable[[Transition], SourceTransitions] | None = None,
    **options,
) -> Float[Array, ""]:
    """The mean action that a learner proposes at the end, whose multiplier looks at what it would
    do now. `source_of` gives what it is shown of a source beside a batch.
    """
    learner = SacLagrangian(
        episode_length=1, learning_rate=1e-3, damping_scale=0.0, multiplier_rate=10.0,
        entropy=FixedEntropy(0.02), constrained=policy_actions, **options,
    )  # fmt: skip
    return _learn(learner, batch_of, source_of, learner.init(1, 1, (16, 16), key=jax.random.key(0)))


@eqx.filter_jit
def _learn(learner, batch_of, source_of, state):
    def one(state, key):
        draw, update = jax.random.split(key)
        batch = batch_of(jax.random.uniform(draw, (BATCH, 1), minval=-1, maxval=1))
        source = None if source_of is None else source_of(batch)
        state, _ = learner.update(state, batch, jnp.zeros(()), source, key=update)
        return state, jnp.tanh(state.parameters.actor(jnp.ones(1)).mean[0])

    _, actions = jax.lax.scan(one, state, jax.random.split(jax.random.key(1), UPDATES))
    return actions[-UPDATES // 3 :].mean()


def learnt(learner, step_of: Callable[[Array], Transition], state, *, updates: int):
    """The state after that many updates, each from a batch of steps drawn from keys."""

    @jax.jit
    def learn(state, keys):
        def update(state, key):
            batch = jax.vmap(step_of)(jax.random.split(key, BATCH))
            return learner.update(state, batch, jnp.zeros(()), key=key)[0], None

        return jax.lax.scan(update, state, keys)[0]

    return learn(state, jax.random.split(jax.random.key(0), updates))
