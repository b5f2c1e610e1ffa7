"""Lava worlds as problems of the method."""

import numpy as np

from handrail.envs.lava.environment import LavaEnvironment
from handrail.envs.lava.layouts import Pool, fixed, pool
from handrail.envs.lava.make import make_lava
from handrail.methods.contrastive.finite import Dynamics, finite_problem
from handrail.methods.contrastive.inputs import TableInputs
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.tasks.lava.settings import (
    HELD_OUT_ENVIRONMENTS,
    HELD_OUT_SEEDS,
    ONE_LAYOUT_SEED,
    HeldOut,
    LavaEncoder,
    LavaGuide,
    LavaPrior,
    LavaRun,
)
from handrail.train.step_statistics import CheckConfusion


def held_out(split: HeldOut) -> list[np.ndarray]:
    """The grids of every layout that results of a split are reported on."""
    return [
        make_lava(name, layout=seed).grids[0]
        for name in HELD_OUT_ENVIRONMENTS
        for seed in HELD_OUT_SEEDS[split]
    ]


def prior_problem(settings: LavaPrior, name: str) -> DiscreteProblem:
    """A source task of a prior, or (by the name of its environment) the prior's own."""
    layout = fixed(ONE_LAYOUT_SEED) if settings.layouts == "one" else _pool(settings)
    return _problem(make_lava(name, layout=layout, observation=settings.view), settings.view)


def explored_problem(settings: LavaEncoder | LavaGuide) -> DiscreteProblem:
    """The task of an encoder or a guide, on a pool of random layouts."""
    world = make_lava(
        settings.environment,
        layout=_pool(settings),
        observation=settings.view,
        starts=settings.starts,
    )
    return _problem(world, settings.view)


def _pool(settings: LavaPrior | LavaEncoder | LavaGuide) -> Pool:
    """Random layouts, none of which is reported on."""
    first = 100_000 * (settings.seed + 1)
    return pool(settings.pool, first, exclude=held_out(settings.held_out))


def student_problem(run: LavaRun, view: str) -> DiscreteProblem:
    """The task of a run, whose knowledge looks through `view`."""
    world = make_lava(
        run.environment,
        layout=fixed(run.seed),
        observation=run.observation,
        lava_color=run.lava_color,
    )
    return _problem(
        world,
        run.observation,
        knowledge_inputs=inputs_of(world, view, run.lava_color),
        statistics=CheckConfusion(world),
    )


def inputs_of(world: LavaEnvironment, view: str, lava_color: str | None = None) -> TableInputs:
    """What networks that look through `view` read of a world."""
    return TableInputs(world.frames(view, lava_color), world.observations.live, view)


def dynamics_of(world: LavaEnvironment) -> Dynamics:
    """Where its steps lead, which of them end an episode, and where episodes begin."""
    ended = world.enters_goal | world.unsafe_table
    return Dynamics(world.successor, ended, world.start_rows[:, 0])


def _problem(world: LavaEnvironment, view: str, **options) -> DiscreteProblem:
    inputs = TableInputs(world.observations.frames, world.observations.live, view)
    return finite_problem(world.world.name, world, inputs, dynamics_of(world), **options)
