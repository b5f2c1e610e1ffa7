"""Lava worlds as problems of the method."""

from typing import Any

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


def prior_problem(settings: LavaPrior, name: str, further: tuple[str, ...] = ()) -> DiscreteProblem:
    """A source task of a prior, or the prior's own, on layouts of `further` environments, too."""
    layout = fixed(ONE_LAYOUT_SEED) if settings.layouts == "one" else _pool(settings)
    world = make_lava(name, layout=layout, further=further, **_seen(settings))
    return _problem(world, settings.view, settings.window)


def explored_problem(settings: LavaEncoder | LavaGuide) -> DiscreteProblem:
    """The task of an encoder or a guide, on a pool of random layouts."""
    world = make_lava(
        settings.environment,
        layout=_pool(settings),
        further=settings.further_environments,
        starts=settings.starts,
        **_seen(settings),
    )
    return _problem(world, settings.view, settings.window)


def _seen(settings: LavaPrior | LavaEncoder | LavaGuide) -> dict[str, Any]:
    """How the layouts of knowledge look: options of `make_lava`."""
    painted = settings.seed if settings.appearance == "random" else None
    return {"observation": settings.view, "window": settings.window, "random_looks_seed": painted}


def _pool(settings: LavaPrior | LavaEncoder | LavaGuide) -> Pool:
    """Random layouts, none of which is reported on."""
    first = 100_000 * (settings.seed + 1)
    return pool(settings.pool, first, exclude=held_out(settings.held_out))


def student_problem(run: LavaRun, view: str, window: int | None = None) -> DiscreteProblem:
    """The task of a run, whose knowledge looks through `view`, if egocentric through `window`."""
    world = make_lava(
        run.environment,
        layout=fixed(run.seed),
        observation=run.observation,
        lava_color=run.lava_color,
    )
    return _problem(
        world,
        run.observation,
        knowledge_inputs=inputs_of(world, view, run.lava_color, window),
        statistics=CheckConfusion(world),
    )


def inputs_of(
    world: LavaEnvironment, view: str, lava_color: str | None = None, window: int | None = None
) -> TableInputs:
    """What networks that look through `view` read of a world."""
    frames = world.frames(view, lava_color, window)
    return TableInputs(frames, world.observations.live, view, window)


def dynamics_of(world: LavaEnvironment) -> Dynamics:
    """Where its steps lead, which of them end an episode, and where episodes begin."""
    ended = world.enters_goal | world.unsafe_table
    return Dynamics(world.successor, ended, world.start_rows[:, 0])


def _problem(
    world: LavaEnvironment, view: str, window: int | None = None, **options
) -> DiscreteProblem:
    inputs = TableInputs(world.observations.frames, world.observations.live, view, window)
    return finite_problem(world.world.name, world, inputs, dynamics_of(world), **options)
