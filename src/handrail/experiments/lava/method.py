"""One lava run: environment, agent and intervention of a method, and what is measured."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handrail.arguments import checked
from handrail.artifact import Card, save
from handrail.envs.lava.environment import LavaEnvironment
from handrail.envs.lava.layouts import fixed
from handrail.envs.lava.make import make_lava
from handrail.errors import HandrailError, UnknownName
from handrail.experiments.lava.build import evaluation, on_every_row, q_agent, q_network
from handrail.experiments.lava.encoder import latent_agent, load_encoder
from handrail.experiments.lava.episode import record_episode
from handrail.experiments.lava.prior import load_prior
from handrail.experiments.lava.settings import (
    LATENT,
    METHODS,
    NEEDS_ENCODER,
    NEEDS_PRIOR,
    LavaRun,
    Safety,
)
from handrail.files import write_json
from handrail.interventions.base import Intervention
from handrail.interventions.near_unsafe import AdaptiveReach, FixedReach, NearUnsafe
from handrail.interventions.recipes import contrastive, domain_prior, none, state_check_only
from handrail.learners.latent_agent import LatentAgent
from handrail.learners.q_agent import QAgent
from handrail.networks.lookup import Lookup
from handrail.train.compiled import Loop, RunState
from handrail.train.evaluate import evaluate
from handrail.train.run import execute
from handrail.train.tally import CHECKS, DangerTally, precision_and_recall


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """The files of the safety knowledge that a run brings along, and the view they need."""

    view: str = "symbolic"
    prior: Path | None = None
    encoder: Path | None = None


def build(run: LavaRun, knowledge: Knowledge) -> Loop:
    """The loop of a run. Raises `HandrailError` where settings or knowledge do not fit."""
    check(run, knowledge)
    environment, agent = agent_in_environment(run)
    return Loop(
        environment=environment,
        agent=agent,
        intervention=_intervention(run, knowledge, environment),
        total=run.steps,
        tally=DangerTally(environment),
    )


def agent_in_environment(run: LavaRun) -> tuple[LavaEnvironment, QAgent | LatentAgent]:
    """The environment of a run and the agent that learns in it."""
    environment = make_lava(
        run.environment,
        layout=fixed(run.seed),
        observation=run.observation,
        lava_color=run.lava_color,
    )
    return environment, _agent(run, environment)


def check(run: LavaRun, knowledge: Knowledge) -> None:
    """Everything that can be said of the settings before anything is computed."""
    checked(run)
    if run.method not in METHODS:
        raise UnknownName("method", run.method, METHODS)
    if run.steps <= 0 or run.steps % run.learning.train_every:
        raise HandrailError(
            f"steps is {run.steps}: expected a positive multiple of "
            f"{run.learning.train_every} (learning.train_every)"
        )
    for needed, file, kind in (
        (NEEDS_PRIOR, knowledge.prior, "prior"),
        (NEEDS_ENCODER, knowledge.encoder, "encoder"),
    ):
        if run.method in needed and file is None:
            raise HandrailError(
                f"method {run.method!r} needs a {kind}: name its file, or use `handrail train`, "
                "which acquires what is missing"
            )


def run_lava(
    run: LavaRun,
    knowledge: Knowledge,
    folder: Path,
    *,
    settings: dict[str, Any],
    report: Callable[..., None],
) -> dict[str, Any]:
    """Trains, evaluates and saves; returns the summary. Continues what was interrupted."""
    run = checked(run)
    loop = build(run, knowledge)
    world = loop.environment
    assert isinstance(world, LavaEnvironment)

    def summarise(state: RunState) -> dict[str, Any]:
        done = evaluate(world, loop.agent, state.agent, episodes=10, key=jax.random.key(run.seed))
        frames = world.observations.frames
        card = Card(
            kind="policy",
            spec={
                "view": run.observation,
                "shape": list(frames.shape[1:]),
                "actions": world.actions.n,
            },
            network={"hidden": list(run.learning.hidden)},
            training={"settings": dataclasses.asdict(run)},
        )
        save(folder / "policy.safetensors", card, state.agent.network)
        episode = record_episode(loop, state, progress=0.5, key=jax.random.key(run.seed))
        write_json(folder / "episode.json", episode)
        return {
            "greedy_return": float(done.returns.mean()),
            "greedy_cost": float(done.costs.mean()),
            **_quality_of_checks(state),
        }

    def arrays(state: RunState) -> dict[str, np.ndarray]:
        return {
            "visits": np.asarray(state.counts["visits"]),
            "cells": world.cell_of_row,
            "grid": world.grids[0],
            "start": world.cell_of_row[int(world.start_rows[0, 0])],
            **{name: np.asarray(state.counts[name]) for name in CHECKS},
        }

    return execute(
        loop,
        folder,
        settings,
        seed=run.seed,
        summarise=summarise,
        arrays=arrays,
        report=lambda step, metrics: report(step, run.steps),
    )


def _quality_of_checks(state: RunState) -> dict[str, float]:
    quality = {}
    for name in CHECKS:
        precision, recall = precision_and_recall(state.counts[name])
        quality |= {f"{name}_precision": precision, f"{name}_recall": recall}
    return quality


def _agent(run: LavaRun, environment: LavaEnvironment) -> QAgent | LatentAgent:
    values = evaluation(environment.observations)
    shape = environment.observations.frames.shape[1:]
    if run.method in LATENT:
        return latent_agent(run, environment)
    network = q_network(shape, environment.actions.n, run.learning.hidden)
    return q_agent(run.learning, values, network, environment.actions.n)


def _intervention(run: LavaRun, knowledge: Knowledge, environment: LavaEnvironment) -> Intervention:
    safety = effective_safety(run)
    options = {"prior_prob": safety.prior_prob, "threshold": safety.threshold}
    if run.method in ("dqn", *LATENT):
        return none()
    frames = environment.frames(knowledge.view, run.lava_color)[: environment.observations.live]
    if run.method == "state-only":
        near = _near_unsafe(safety, knowledge, frames)
        return state_check_only(near, environment.actions.n, prior_prob=safety.prior_prob)
    assert knowledge.prior is not None  # `check` has seen to it
    network = load_prior(knowledge.prior, knowledge.view, frames, environment.actions.n)
    prior = Lookup(on_every_row(network, frames))
    if run.method in ("full", "full-adaptive"):
        return contrastive(_near_unsafe(safety, knowledge, frames), prior, **options)
    return domain_prior(prior, **options)


def effective_safety(run: LavaRun) -> Safety:
    """The safety settings of a run: some methods are others with one setting fixed."""
    if run.method == "priors-0.5":
        return dataclasses.replace(run.safety, prior_prob=0.5)
    if run.method == "full-adaptive":
        return dataclasses.replace(run.safety, adaptive=True)
    return run.safety


def _near_unsafe(safety: Safety, knowledge: Knowledge, frames: np.ndarray) -> NearUnsafe:
    assert knowledge.encoder is not None
    encoder, known = load_encoder(knowledge.encoder, knowledge.view, frames)
    reach = (
        AdaptiveReach(safety.max_distance, safety.quantile)
        if safety.adaptive
        else FixedReach(safety.max_distance)
    )
    return NearUnsafe(
        embed=Lookup(on_every_row(encoder, frames)),
        known=known if safety.bring_known else jnp.zeros((0, known.shape[1])),
        reach=reach,
        neighbours=safety.neighbours,
        capacity=safety.capacity,
    )
