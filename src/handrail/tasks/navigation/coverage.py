"""Where a guide goes in its source: positions of whole episodes, and what share they cover."""

import dataclasses
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.problems import compiled_problem
from handrail.envs.navigation.tasks import navigation_task
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.methods.sagui.evaluations import tested, try_policy
from handrail.methods.sagui.guide_file import load_guide
from handrail.methods.sagui.settings import GuideSettings
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.compiled import rollout

EPISODES = 200
CELLS = 30  # along an edge of the extents: about the robot's radius in Static


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What a guide did over whole episodes of its source, without rescue starts.

    A cell is free in an episode if its centre lies in none of the episode's hazards.
    """

    visits: np.ndarray  # (CELLS, CELLS) steps in each cell; row 0 is the least y
    extent: float  # m: cells divide [-extent, extent]²
    hazards: np.ndarray  # (n, 2): their places where they are fixed, else none
    hazard_size: float  # radius, m
    distance: float  # m moved per episode, mean: the displacement bonus undiscounted
    cost: float  # per episode, mean
    length: float  # steps per episode, mean
    exit_cost: float  # of an episode of the training's length that begins in a hazard, mean
    covered_by_episode: float  # share of the free cells that one episode visits, mean
    covered: float  # share of the cells free in some episode that any episode visits
    entropy: float  # of the share of time in each cell, as a share of the uniform one's


def cover(
    settings: GuideSettings, path: Path, *, episodes: int = EPISODES, key: Key[Array, ""]
) -> Coverage:
    """Rolls out the guide in `path` over `episodes` whole episodes of its source.

    Raises `HandrailError` for a guide that does not fit the task, or a task that compiled
    physics cannot simulate.
    """
    problem = compiled_problem(settings.environment)
    task = navigation_task(settings.environment, "source")
    policy = OnVectors(load_guide(path, problem).networks.actor)
    places, alive, hazards, rewards, costs = jax.tree.map(
        np.asarray, roll_out(problem.source, policy, episodes=episodes, key=stream(key, "clean"))
    )
    rescue = RescueStarts(1.0, settings.rescue.max_speed, settings.rescue.max_turn_rate)
    inside = compiled_problem(
        settings.environment, source_length=settings.episode_length, rescue=rescue
    ).source
    exits = try_policy(inside, policy, episodes=episodes, key=stream(key, "rescue"))
    visits = counted(places, alive, task.extent)
    free = free_cells(hazards, task.hazards.size, task.extent)
    return Coverage(
        visits=visits.sum(axis=0),
        extent=task.extent,
        hazards=np.asarray(task.hazards.at).reshape(-1, 2),
        hazard_size=task.hazards.size,
        distance=float((rewards * alive).sum(axis=1).mean()),
        cost=float((costs * alive).sum(axis=1).mean()),
        length=float(alive.sum(axis=1).mean()),
        exit_cost=tested(exits)["cost"],
        covered_by_episode=float(
            np.mean(((visits > 0) & free).sum(axis=(1, 2)) / free.sum(axis=(1, 2)))
        ),
        covered=float(((visits > 0) & free).any(axis=0).sum() / free.any(axis=0).sum()),
        entropy=occupancy_entropy(visits.sum(axis=0)),
    )


@eqx.filter_jit
def roll_out(
    environment: AbstractEnvironment, policy: OnVectors, *, episodes: int, key: Key[Array, ""]
) -> tuple[Array, Array, Array, Array, Array]:
    """Positions (episodes, steps, 2) after each step and whether the step was still part of its
    episode (episodes, steps), hazards (episodes, hazards, 2), rewards and costs per step.
    """
    steps = rollout(
        environment, Drawn(Sampled(policy)), keys=jax.random.split(key, episodes), outcome=_places
    ).steps
    assert steps is not None
    places, hazards = steps.outcomes
    return places, steps.running, hazards[:, 0], steps.rewards, steps.costs


def _places(world: PyTree, timestep: Timestep) -> tuple[Array, Array]:
    return world.body.position, world.hazards


def counted(places: np.ndarray, alive: np.ndarray, extent: float) -> np.ndarray:
    """Steps in each cell (episodes, CELLS, CELLS), indexed [episode, y, x].

    Steps after the end of an episode, and positions outside the extents, are left out.
    """
    index = np.floor((places + extent) / (2 * extent) * CELLS).astype(int)
    inside = alive & (index >= 0).all(axis=-1) & (index < CELLS).all(axis=-1)
    counts = np.zeros((len(places), CELLS, CELLS))
    episode = np.broadcast_to(np.arange(len(places))[:, None], alive.shape)
    np.add.at(counts, (episode[inside], index[inside][:, 1], index[inside][:, 0]), 1)
    return counts


def free_cells(hazards: np.ndarray, size: float, extent: float) -> np.ndarray:
    """Which cells (episodes, CELLS, CELLS) have their centre in no hazard (episodes, n, 2)."""
    axis = ((np.arange(CELLS) + 0.5) / CELLS * 2 - 1) * extent
    centres = np.stack(np.meshgrid(axis, axis), axis=-1)
    apart = np.linalg.norm(centres[None, None] - hazards[:, :, None, None], axis=-1)
    return (apart > size).all(axis=1)


def occupancy_entropy(visits: np.ndarray) -> float:
    """Entropy of the share of steps in each cell, divided by that of equal shares: 0 to 1."""
    share = visits.ravel() / visits.sum()
    share = share[share > 0]
    return float(-(share * np.log(share)).sum() / np.log(visits.size))
