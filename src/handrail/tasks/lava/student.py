"""One run on a lava world, and what is measured."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.core.arguments import checked
from handrail.envs.lava.environment import LavaEnvironment
from handrail.interventions.base import Intervention
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.student import (
    check_student,
    intervention_of,
    student_agent,
    train_student,
)
from handrail.tasks.lava.episode import read_agent, read_memory, record_agent, save_memory
from handrail.tasks.lava.problems import student_problem
from handrail.tasks.lava.resolve import method_of
from handrail.tasks.lava.settings import LavaRun
from handrail.train.compiled import Loop, RunState
from handrail.train.course import Course, coursed
from handrail.train.evaluate import run_greedily
from handrail.train.evaluate_pair import try_under
from handrail.train.loops import AnyLoop
from handrail.train.rollout.base import Greedy
from handrail.train.rollout.recorded import FILE as EPISODES
from handrail.train.rollout.recorded import RecordedEpisode, write_episodes
from handrail.train.step_statistics import CHECKS, precision_and_recall


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """The files of the safety knowledge that a run brings along, and the view they need."""

    view: str = "symbolic"
    window: int | None = None
    """Cells a side of an egocentric view; None is as many as the whole grid needs."""
    prior: Path | None = None
    encoder: Path | None = None
    guide: Path | None = None

    @property
    def files(self) -> dict[str, Path | None]:
        """By kind."""
        return {"prior": self.prior, "encoder": self.encoder, "guide": self.guide}


def check(run: LavaRun, knowledge: Knowledge) -> None:
    """Everything that can be said of the settings before anything is computed."""
    checked(run)
    check_student(method_of(run), run, knowledge.files)


@coursed
def run_lava(
    run: LavaRun,
    knowledge: Knowledge,
    folder: Path,
    *,
    settings: dict[str, Any],
    report: Callable[[int, int], None],
) -> Course[dict[str, Any]]:
    """Trains, tests and saves; returns the summary. Continues what was interrupted."""
    run = checked(run)
    problem = student_problem(run, knowledge.view, knowledge.window)
    world = _world(problem)

    def also(loop: AnyLoop, state: RunState) -> dict[str, float]:
        assert isinstance(loop, Loop)
        save_memory(folder, state.memory)
        agent: Any = loop.agent
        kept = [
            episode
            for training in ((loop.intervention, state.memory), None)
            for episode in record_agent(
                world, agent, agent.actor(state.agent.network), run,
                training=training, episodes=1, seed=run.seed,
            )
        ]  # fmt: skip
        write_episodes(folder / EPISODES, kept)
        return _quality_of_checks(state)

    def arrays(state: RunState) -> dict[str, np.ndarray]:
        return {
            "visits": np.asarray(state.counts["visits"]),
            "cells": world.cell_of_row,
            "grid": world.grids[0],
            "start": world.cell_of_row[int(world.start_rows[0, 0])],
            **{name: np.asarray(state.counts[name]) for name in CHECKS},
        }

    return (
        yield from train_student.course(
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
    )


def record_policy(
    run: LavaRun, knowledge: Knowledge, file: Path, *, episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Recorded episodes of a finished run's policy file, as of `record_agent`."""
    problem = student_problem(run, knowledge.view, knowledge.window)
    training = None
    if shielded:
        check(run, knowledge)
        intervention = checks_of(problem, run, knowledge)
        training = intervention, read_memory(file.parent, intervention)
    agent, policy = _opened(problem, run, file)
    return record_agent(
        _world(problem), agent, policy, run, training=training, episodes=episodes, seed=seed
    )


def try_policy_of(run: LavaRun, path: Path, *, episodes: int, seed: int) -> dict[str, float]:
    """Means over whole episodes of a finished run's policy file, without intervention."""
    problem = student_problem(run, run.observation)
    environment: Any = problem.environment
    agent, policy = _opened(problem, run, path)
    key = jax.random.key(seed)
    return run_greedily(environment, agent, policy, episodes=episodes, key=key).means("mean_")


def try_shielded(
    run: LavaRun, knowledge: Knowledge, path: Path, *, episodes: int, seed: int
) -> dict[str, float]:
    """The same under the checks of the run, which know the encoder's unsafe states from the start,
    and the share of the steps in which they acted.
    """
    known = dataclasses.replace(run, safety=dataclasses.replace(run.safety, bring_known=True))
    problem = student_problem(run, knowledge.view, knowledge.window)
    done = try_under(
        problem.environment, Greedy(*_opened(problem, run, path)),
        checks_of(problem, known, knowledge), episodes=episodes, key=jax.random.key(seed),
    )  # fmt: skip
    return {**done.means("shielded_mean_"), "intervention_rate": done.intervention_rate}


def checks_of(problem: DiscreteProblem, run: LavaRun, knowledge: Knowledge) -> Intervention:
    """Who acts when in a run, by its knowledge."""
    method = method_of(run)
    return intervention_of(problem, knowledge.files, method, method.adjust(run))


def _opened(problem: DiscreteProblem, run: LavaRun, path: Path) -> tuple[Any, Any]:
    """The agent of a run, and what it acts with by the policy in a file."""
    agent = student_agent(problem, method_of(run), run)
    return agent, read_agent(agent, path)


def _world(problem: DiscreteProblem) -> LavaEnvironment:
    world = problem.environment
    assert isinstance(world, LavaEnvironment)
    return world


def _quality_of_checks(state: RunState) -> dict[str, float]:
    quality = {}
    for name in CHECKS:
        precision, recall = precision_and_recall(state.counts[name])
        quality |= {f"{name}_precision": precision, f"{name}_recall": recall}
    return quality
