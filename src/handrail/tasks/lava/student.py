"""One run on a lava world, and what is measured."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.core.arguments import checked
from handrail.core.artifact import fill, load
from handrail.core.files import write_json
from handrail.envs.lava.environment import LavaEnvironment
from handrail.methods.contrastive.student import (
    check_student,
    student_agent,
    train_student,
)
from handrail.tasks.lava.episode import record_episode
from handrail.tasks.lava.problems import student_problem
from handrail.tasks.lava.resolve import method_of
from handrail.tasks.lava.settings import LavaRun
from handrail.train.compiled import Loop, RunState
from handrail.train.evaluate import run_greedily
from handrail.train.loops import AnyLoop
from handrail.train.step_statistics import CHECKS, precision_and_recall


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """The files of the safety knowledge that a run brings along, and the view they need."""

    view: str = "symbolic"
    prior: Path | None = None
    encoder: Path | None = None

    @property
    def files(self) -> dict[str, Path | None]:
        """By kind."""
        return {"prior": self.prior, "encoder": self.encoder}


def check(run: LavaRun, knowledge: Knowledge) -> None:
    """Everything that can be said of the settings before anything is computed."""
    checked(run)
    check_student(method_of(run), run, knowledge.files)


def run_lava(
    run: LavaRun,
    knowledge: Knowledge,
    folder: Path,
    *,
    settings: dict[str, Any],
    report: Callable[[int, int], None],
) -> dict[str, Any]:
    """Trains, tests and saves; returns the summary. Continues what was interrupted."""
    run = checked(run)
    problem = student_problem(run, knowledge.view)
    world = problem.environment
    assert isinstance(world, LavaEnvironment)

    def also(loop: AnyLoop, state: RunState) -> dict[str, float]:
        assert isinstance(loop, Loop)
        episode = record_episode(loop, state, progress=0.5, key=jax.random.key(run.seed))
        write_json(folder / "episode.json", episode)
        return _quality_of_checks(state)

    def arrays(state: RunState) -> dict[str, np.ndarray]:
        return {
            "visits": np.asarray(state.counts["visits"]),
            "cells": world.cell_of_row,
            "grid": world.grids[0],
            "start": world.cell_of_row[int(world.start_rows[0, 0])],
            **{name: np.asarray(state.counts[name]) for name in CHECKS},
        }

    return train_student(
        problem,
        knowledge.files,
        method_of(run),
        run,
        folder,
        recorded=settings,
        provenance={"settings": dataclasses.asdict(run)},
        also=also,
        arrays=arrays,
        report=report,
    )


def try_policy_of(run: LavaRun, path: Path, *, episodes: int, seed: int) -> dict[str, float]:
    """Means over whole episodes of a finished run's policy file, without intervention."""
    problem = student_problem(run, run.observation)
    agent: Any = student_agent(problem, method_of(run), run)
    _, arrays = load(path, expect="policy")
    network = fill(agent.fresh_network(key=jax.random.key(0)), arrays, source=str(path))
    environment: Any = problem.environment
    done = run_greedily(
        environment, agent, agent.actor(network), episodes=episodes, key=jax.random.key(seed)
    )
    return {
        "mean_return": float(done.returns.mean()),
        "mean_cost": float(done.costs.mean()),
        "mean_length": float(done.lengths.mean()),
    }


def _quality_of_checks(state: RunState) -> dict[str, float]:
    quality = {}
    for name in CHECKS:
        precision, recall = precision_and_recall(state.counts[name])
        quality |= {f"{name}_precision": precision, f"{name}_recall": recall}
    return quality
