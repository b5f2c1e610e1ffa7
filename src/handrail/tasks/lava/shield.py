"""The shield test of prior and encoder: what random actions cost on a layout under their checks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Key

from handrail.core.types import Observation
from handrail.interventions.base import Intervention
from handrail.learners.base import Proposal
from handrail.tasks.lava.problems import student_problem
from handrail.tasks.lava.resolve import resolve
from handrail.tasks.lava.student import Knowledge, checks_of
from handrail.train.rollout.base import Episodes
from handrail.train.rollout.compiled import rollout
from handrail.train.step import Progress

ENVIRONMENTS = ("LavaCrossingS9N1", "LavaCrossingS9N2", "LavaCrossingS9N3")
LAYOUTS = (123, 456)
"""Seeds of layouts on which no knowledge is acquired."""


def random_cost(method: str, view: str, observation: str, files: Mapping[str, Path]) -> float:
    """Steps into lava in 1,000 steps of random actions, under the checks of a method.

    The checks are set as in the preset `recommended`, and the layouts are ones on which no
    knowledge is acquired. `files` are those that the method needs, by kind.
    """
    costs, steps = 0.0, 0.0
    for environment in ENVIRONMENTS:
        for seed in LAYOUTS:
            settings = {"environment": environment, "method": method, "observation": observation,
                        "seed": seed, "preset": "recommended"}  # fmt: skip
            run = resolve(settings).run
            problem = student_problem(run, view)
            checks = checks_of(problem, run, Knowledge(view=view, window=None, **files))
            keys = jax.random.split(jax.random.key(seed), 100)
            done = _episodes(problem.environment, checks, keys)
            costs += float(done.costs.sum())
            steps += float(done.lengths.sum())
    return 1_000 * costs / steps


class _Random(eqx.Module):
    """Uniformly random actions."""

    actions: int = eqx.field(static=True)

    def __call__(
        self, observation: Observation, progress: Progress, key: Key[Array, ""]
    ) -> Proposal:
        drawn = jax.random.fold_in(key, progress.so_far.steps)
        return Proposal(jax.random.randint(drawn, (), 0, self.actions), {})


@eqx.filter_jit
def _episodes(world: Any, checks: Intervention, keys: Key[Array, " episodes"]) -> Episodes:
    proposed = _Random(world.actions.n)
    return rollout(world, proposed, lambda key, number: checks, keys=keys)
