"""A small run with everything that a run's state can hold: learner, replay, memories, counts."""

import functools
from functools import partial
from pathlib import Path
from unittest import mock

import jax.numpy as jnp
import numpy as np
import optax

from handrail.core.artifact import Card, save
from handrail.envs.lava.make import make_lava
from handrail.interventions.near_unsafe import AdaptiveRadius, NearUnsafe
from handrail.interventions.recipes import contrastive
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.values import OnFrames, Tabulated
from handrail.networks.lookup import Lookup
from handrail.networks.mlp import MLP
from handrail.replay.prioritized import Prioritized
from handrail.train import run as train_run
from handrail.train.compiled import Loop
from handrail.train.run import execute
from handrail.train.step_statistics import CheckConfusion

SETTINGS = {"name": "small", "rate": 0.001, "hidden": (8,)}
CHUNK = 1_000
TOTAL = 4_000  # four chunks, the first without learning
# `run.json` and what a run computes; `summary.json` holds the wall-clock time as well.
FILES = ("run.json", "episodes.csv", "progress.csv", "arrays.npz", "policy.safetensors")


def perfect_prior(environment) -> Lookup:
    """−1 for an action that enters lava, else 0: below the mean exactly where it is a violation."""
    return Lookup(-environment.unsafe_table.astype(jnp.float32))


def small_agent(environment, *, rate: float = 1e-3, **options) -> QAgent:
    live = environment.observations.live
    frames = jnp.asarray(environment.observations.frames[:live], jnp.float32)
    return QAgent(
        loss=TDLoss(Tabulated(OnFrames(frames)), discount=0.9),
        make_network=partial(MLP, (frames.shape[1], 8, 7)),
        optimizer=optax.adam(rate),
        replay=Prioritized(500),
        exploration=Exploration(),
        actions=7,
        batch=16,
        target_every=100,
        learning_starts=1_000,
        **options,
    )


def small_loop(*, total: int = TOTAL, **options) -> Loop:
    environment = make_lava("LavaGapS5", layout=1, starts="anywhere")
    places = Lookup(jnp.asarray(environment.cell_of_row, jnp.float32))
    near = NearUnsafe(places, jnp.zeros((0, 2)), AdaptiveRadius(initial=1.0), neighbours=2)
    return Loop(
        environment,
        small_agent(environment, **options),
        contrastive(near, perfect_prior(environment), prior_prob=0.5),
        total,
        CheckConfusion(environment),
    )


@functools.cache
def shared_loop() -> Loop:
    """The same loop for all tests of a process, so that it is compiled once."""
    return small_loop()


def run(loop: Loop, folder: Path, *, settings=SETTINGS, seed: int = 7, **options):
    """Executes the loop with files of every kind."""

    def summarise(state):
        card = Card("policy", spec={}, network={})
        save(folder / "policy.safetensors", card, state.agent.network)
        return {"added": int(state.agent.replay.ring.added), "nothing": float("nan")}

    def arrays(state):
        return {name: np.asarray(count) for name, count in state.counts.items()}

    with mock.patch.object(train_run, "CHUNK_STEPS", CHUNK):
        return execute(
            loop, folder, settings, seed=seed, summarise=summarise, arrays=arrays,
            **{"checkpoint_seconds": 0.0, **options},
        )  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}
