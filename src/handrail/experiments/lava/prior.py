"""Acquiring the prior: which actions are bad, learnt from several source tasks."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from handrail.arguments import checked
from handrail.artifact import Card, fill, load, save, widths
from handrail.envs.base import AbstractFiniteEnvironment
from handrail.envs.lava.environment import LavaEnvironment
from handrail.envs.lava.layouts import fixed, pool
from handrail.envs.lava.make import make_lava
from handrail.envs.rewarded import Rewarded
from handrail.equations.pseudo_reward import pseudo_reward
from handrail.experiments.lava.build import evaluation, on_every_row, q_agent, q_network
from handrail.experiments.lava.knowledge_settings import (
    HELD_OUT_ENVIRONMENTS,
    HELD_OUT_SEEDS,
    ONE_LAYOUT_SEED,
    PriorSettings,
)
from handrail.experiments.lava.settings import QLearning
from handrail.interventions.recipes import none
from handrail.recorded import stable
from handrail.train.compiled import Loop
from handrail.train.run import execute


def held_out() -> list[np.ndarray]:
    """The grids of every layout that results are reported on."""
    return [
        make_lava(name, layout=seed).grids[0]
        for name in HELD_OUT_ENVIRONMENTS
        for seed in HELD_OUT_SEEDS
    ]


def source_environment(
    name: str, view: str, layouts: str, size: int, seed: int, *, starts: str = "seed"
) -> LavaEnvironment:
    """A source task on one layout or on a pool of layouts; held-out layouts never occur."""
    chosen = (
        fixed(ONE_LAYOUT_SEED)
        if layouts == "one"
        else pool(size, 100_000 * (seed + 1), exclude=held_out())
    )
    return make_lava(name, layout=chosen, observation=view, starts=starts)


def acquire_prior(settings: PriorSettings, folder: Path, report: Callable[..., None]) -> Path:
    """Trains source Q-functions and the prior inside `folder`; returns the prior's file.

    What has been finished before is not repeated. `report(name, step, total)` follows along.
    """
    path = folder / "prior.safetensors"
    if path.exists():
        return path
    settings = checked(settings)
    networks = []
    for index, name in enumerate(settings.sources):
        environment = _environment(settings, name)
        networks.append(
            _learn(
                environment, settings.source_learning, settings.source_steps,
                folder / f"source-{name}", settings, seed=100 * settings.seed + index,
                report=report,
            )
        )  # fmt: skip
    environment = _environment(settings, settings.environment)
    rewards = pseudo_rewards(environment, networks, settings)
    network = _learn(
        Rewarded(environment, rewards), settings.prior_learning, settings.prior_steps,
        folder / "prior", settings, seed=100 * settings.seed + 99, report=report,
    )  # fmt: skip
    frames = environment.observations.frames
    spec = {
        "view": settings.view,
        "shape": list(frames.shape[1:]),
        "actions": environment.actions.n,
    }
    card = Card(
        kind="prior",
        spec=spec,
        network={"hidden": list(settings.prior_learning.hidden)},
        training={"settings": dataclasses.asdict(settings)},
    )
    save(path, card, network)
    return path


def load_prior(path: Path, view: str, frames: np.ndarray, actions: int) -> Any:
    """The prior's network, if it fits frames of this view."""
    spec = {"view": view, "shape": list(frames.shape[1:]), "actions": actions}
    card, arrays = load(path, expect="prior", spec=spec)
    make_network = q_network(frames.shape[1:], actions, widths(card, "hidden", source=str(path)))
    return fill(make_network(key=jax.random.key(0)), arrays, source=str(path))


def pseudo_rewards(
    environment: LavaEnvironment, networks: list[Any], settings: PriorSettings
) -> Float[Array, "rows actions"]:
    """The pseudo-reward of every row and action, from the source Q-functions.

    After a terminal step the sources are asked about the first states of the pool (their mean)
    where `terminal` is "reset", and about nothing where it is "masked".
    """
    frames = environment.observations.frames
    q = jnp.stack([on_every_row(network, frames) for network in networks], axis=1)
    values = q.max(axis=-1)  # (rows, tasks)
    ended = environment.enters_goal | environment.unsafe_table
    first = values[environment.start_rows[:, 0]].mean(axis=0)
    after_end = first if settings.terminal == "reset" else jnp.zeros_like(first)
    following = jnp.where(ended[..., None], after_end, values[environment.successor])
    discount = settings.source_learning.discount

    def of_action(q, action, following):
        return pseudo_reward(
            q, action, following, discount=discount, threshold=settings.undesirable
        )

    of_row = jax.vmap(of_action, in_axes=(None, 0, 0))
    return jax.vmap(of_row, in_axes=(0, None, 0))(q, jnp.arange(q.shape[-1]), following)


def _environment(settings: PriorSettings, name: str) -> LavaEnvironment:
    return source_environment(name, settings.view, settings.layouts, settings.pool, settings.seed)


def _learn(
    environment: AbstractFiniteEnvironment,
    learning: QLearning,
    steps: int,
    folder: Path,
    settings: PriorSettings,
    *,
    seed: int,
    report: Callable[..., None],
) -> Any:
    """A Q-network trained without intervention, in its own resumable run folder."""
    frames, actions = environment.observations.frames, environment.actions.n
    network = q_network(frames.shape[1:], actions, learning.hidden)
    agent = q_agent(learning, evaluation(environment.observations), network, actions)
    loop = Loop(environment, agent, none(), steps)
    path = folder / "network.safetensors"
    card = Card(
        kind="policy",
        spec={"view": settings.view, "shape": list(frames.shape[1:]), "actions": actions},
        network={"hidden": list(learning.hidden)},
    )

    def keep(state):
        save(path, card, state.agent.network)
        return {}

    execute(
        loop,
        folder,
        {"purpose": folder.name, **stable(settings)},
        seed=seed,
        summarise=keep,
        report=lambda step, _: report(folder.name, step, steps),
    )
    _, arrays = load(path, expect="policy")
    return fill(network(key=jax.random.key(0)), arrays, source=str(path))
