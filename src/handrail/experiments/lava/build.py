"""From settings to networks, agents, interventions and the loop."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from handrail.envs.base import FiniteObservations
from handrail.experiments.lava.settings import QLearning
from handrail.learners.double_dqn import TDLoss
from handrail.learners.operators import AdvantageLearning, DoubleQ, MaxQ
from handrail.learners.q_agent import Exploration, QAgent
from handrail.learners.values import AbstractValues, Gathered, OnFrames, Tabulated
from handrail.networks.mlp import MLP
from handrail.networks.patches import PatchTable
from handrail.networks.pixels import NatureQ
from handrail.replay.prioritized import Prioritized
from handrail.replay.ring import Ring

PIXELS = (84, 84, 3)
# Evaluating every live row pays while there are not many more of them than a batch draws.
MOST_TABULATED = 512


def q_network(shape: tuple[int, ...], actions: int, hidden: tuple[int, ...]) -> Callable[..., Any]:
    """A constructor `(key=) -> network` of action values for frames of this shape."""
    if tuple(shape) == PIXELS:
        return partial(NatureQ, actions)
    return partial(MLP, (*shape, *hidden, actions))


def evaluation(observations: FiniteObservations) -> AbstractValues:
    """The fastest way to evaluate a Q-network on these observations."""
    frames = observations.frames[: observations.live]
    if observations.live > MOST_TABULATED:
        return Gathered(jnp.asarray(observations.frames))
    if frames.shape[1:] == PIXELS:
        return Tabulated(PatchTable.compile(frames))
    return Tabulated(OnFrames(jnp.asarray(frames, jnp.float32)))


def on_every_row(network: Callable, frames: np.ndarray, *, chunk: int = 256) -> jax.Array:
    """A network's output on every row of a table, evaluated in chunks."""
    table = jnp.asarray(frames)
    return jax.jit(lambda f: jax.lax.map(network, f, batch_size=chunk))(table)


def q_agent(settings: QLearning, values: AbstractValues, network: Callable, actions: int) -> QAgent:
    """The Q-learning agent that the settings describe."""
    operators = {
        "double": DoubleQ(),
        "max": MaxQ(),
        "advantage": AdvantageLearning(settings.advantage),
    }
    replay = (
        Prioritized(settings.replay, alpha=settings.priority_exponent)
        if settings.prioritized
        else Ring(settings.replay)
    )
    return QAgent(
        loss=TDLoss(values, operators[settings.operator], settings.discount),
        make_network=network,
        optimizer=optax.adam(settings.learning_rate),
        replay=replay,
        exploration=Exploration(end=settings.epsilon_end, fraction=settings.epsilon_fraction),
        actions=actions,
        block=settings.train_every,
        batch=settings.batch,
        target_every=settings.target_every,
        learning_starts=settings.learning_starts,
    )
