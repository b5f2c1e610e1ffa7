"""Guides and students of navigation in worlds that differ from those they learnt in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.envs.changes import Changes
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.navigation.problems import navigation_problem
from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui.evaluations import try_policy
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.pair import acts_instead, intervention_of
from handrail.methods.sagui.presets import TAKEOVER_STEPS
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.shield import evaluate_shield
from handrail.tasks.navigation.changed import changed_alike
from handrail.tasks.navigation.problems import HARM, interface_in, target_of
from handrail.train.evaluate_pair import try_under
from handrail.train.rollout.base import Drawn
from handrail.transfer_check.robustness import LONGEST_DELAY, Drive, Robustness, measure_robustness

Told = Callable[[int, int], None]
ALONE, SHIELD, PAIR = "alone", "shielding random actions", "with its guide"


def guide_robustness(
    path: Path,
    task: str,
    *,
    limit: float,
    side: int,
    episodes: int,
    seed: int,
    report: Told = lambda done, total: None,
) -> dict[str, Robustness]:
    """A guide in the target of a task: by itself, and as the shield of random actions.

    Raises `HandrailError` for a guide that does not fit.
    """
    problem, key = navigation_problem(task), jax.random.key(seed)
    file = open_guide(path, interface_in(problem.target, task), view=problem.view)
    guide, cost = file.guide, file.takeover_cost
    threshold = TAKEOVER_STEPS * HARM if cost is None else cost
    drives = {
        ALONE: lambda world: try_policy(world, guide.distribution, episodes=episodes, key=key),
        SHIELD: lambda world: evaluate_shield(
            world, guide, threshold=threshold, episodes=episodes, key=key
        ),
    }
    return _measured(task, drives, limit, side, report)


def student_robustness(
    run: StudentRun,
    file: Path,
    files: Mapping[str, Path],
    *,
    limit: float,
    side: int,
    episodes: int,
    seed: int,
    report: Told = lambda done, total: None,
) -> dict[str, Robustness]:
    """A student's policy in its target, by itself and, where its run has one, with its guide."""
    target, key = target_of(run), jax.random.key(seed)
    _, policy = open_policy(file, target.interface, "policy")
    drives: dict[str, Drive] = {
        ALONE: lambda world: try_policy(world, policy, episodes=episodes, key=key)
    }
    if acts_instead(run.method):
        intervention = intervention_of(target, run, files)
        drives[PAIR] = lambda world: try_under(
            world, Drawn(Sampled(policy)), intervention, episodes=episodes, key=key
        )
    return _measured(run.environment, drives, limit, side, report)


def _measured(
    task: str, drives: Mapping[str, Drive], limit: float, side: int, report: Told
) -> dict[str, Robustness]:
    def build(changes: Changes) -> Any:
        physics = PhysicsRange.at(*changes.physical)
        target = navigation_problem(task, physics=physics).target
        return changed_alike(target, changes, longest=LONGEST_DELAY)

    return measure_robustness(build, drives, side=side, limit=limit, report=report)
