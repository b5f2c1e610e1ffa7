"""Recorded episodes of lava agents: what was proposed, what was done, and whether it was right."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.core.artifact import fill, load
from handrail.core.errors import HandrailError
from handrail.core.files import atomic
from handrail.core.rng import stream
from handrail.core.types import Memory
from handrail.envs.lava.environment import LavaEnvironment
from handrail.interventions.base import Intervention
from handrail.interventions.ensemble import RandomAdvantageous
from handrail.interventions.recipes import none
from handrail.interventions.substitutes import FirstAvailable, RandomAboveMean, RandomAction
from handrail.learners.base import AbstractAgent
from handrail.tasks.lava.settings import LavaRun
from handrail.train.rollout.base import Exploring, Greedy, Moment, RolloutPolicy
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.recorded import RecordedEpisode
from handrail.train.rollout.recording import columns_of, decided, named
from handrail.train.step import Progress

CELLS = ".#LG"  # floor, wall, lava, goal: the codes of `LavaEnvironment.grids`
MEMORY = "intervention.npz"
"""What the intervention of a run remembered at its end."""
ACTS: Mapping[type, str] = {
    RandomAboveMean: "a random action that the prior rates higher",
    RandomAdvantageous: "a random action that the priors rate higher",
    RandomAction: "a random action",
    FirstAvailable: "another random action, if possible one that the prior rates higher",
}
"""What acts in the agent's place, in words."""
HALFWAY = 0.5
"""The share of a run, as far as which its exploration has come in recorded episodes."""


def record_agent(
    world: LavaEnvironment,
    agent: AbstractAgent,
    snapshot: Any,
    run: LavaRun,
    *,
    training: tuple[Intervention, Memory] | None,
    episodes: int,
    seed: int,
) -> list[RecordedEpisode]:
    """Episodes of a trained agent, from what it acts with (`AbstractAgent.actor`).

    With the intervention of its training, and what that remembers, it explores as in the middle of
    its run; without (None) it acts greedily and alone.
    """
    keys = jax.random.split(jax.random.key(seed), episodes)
    intervention, memory = training or (none(), none().init())
    policy = Greedy(agent, snapshot) if training is None else Exploring(agent, snapshot, run.steps)
    acts = ACTS.get(type(intervention.what), "")
    return [
        dataclasses.replace(episode, method=run.method, seed=seed, shielded=bool(acts), acts=acts)
        for episode in played(world, policy, intervention, memory, run.steps, keys)
    ]


def played(
    world: LavaEnvironment,
    policy: RolloutPolicy,
    intervention: Intervention,
    memory: Memory,
    total: int,
    keys: Key[Array, " episodes"],
) -> list[RecordedEpisode]:
    """Recorded episodes, of no method, as in the middle of a run of `total` steps."""
    done, first = jax.device_get(_rolled(world, policy, intervention, memory, total, keys))
    assert done.steps is not None
    thresholds, unsafe = intervention.when.thresholds(), np.asarray(world.unsafe_table)
    episodes = []
    for number, begun in enumerate(first):
        columns = columns_of(done, number, thresholds, lambda seen: {})
        rows = np.append(begun, done.steps.outcomes[number, : len(columns["reward"])])
        pose = np.column_stack([world.cell_of_row[rows], world.direction_of_row[rows]])
        burnt, arrived = columns["cost"][-1] > 0, columns["reward"][-1] > 0
        episodes.append(
            RecordedEpisode(
                kind="lava",
                environment=world.world.name,
                number=number,
                columns=columns
                | named("state", {"robot": pose})
                | {"harm": unsafe[rows[:-1], columns["proposed"]]},
                scene={"grid": _grid(world, int(begun))},
                thresholds=thresholds,
                actions=world.actions.names,
                outcome="lava" if burnt else "goal" if arrived else "time limit",
            )
        )
    return episodes


def read_agent(agent: Any, file: Path) -> Any:
    """What the agent of a policy's file acts with."""
    _, arrays = load(file, expect="policy")
    return agent.actor(fill(agent.fresh_network(key=jax.random.key(0)), arrays, source=str(file)))


def save_memory(folder: Path, memory: Memory) -> None:
    """Keeps what the intervention of a run remembers."""
    leaves = jax.tree.leaves(memory)
    if not leaves:
        return
    kept = {str(number): np.asarray(leaf) for number, leaf in enumerate(leaves)}
    with atomic(folder / MEMORY) as path, open(path, "wb") as file:
        np.savez_compressed(file, **kept)  # pyrefly: ignore[bad-argument-type]


def read_memory(folder: Path, intervention: Intervention) -> Memory:
    """What the intervention of a run remembered at its end; of runs of older versions, which did
    not keep it, what it remembers at the beginning. Raises `HandrailError` for another's.
    """
    fresh = jax.tree.map(jnp.asarray, intervention.init())
    path = folder / MEMORY
    if not path.exists():
        return fresh
    leaves, tree = jax.tree.flatten(fresh)
    try:
        with np.load(path, allow_pickle=False) as stored:
            found: Mapping[str, np.ndarray] = dict(stored)
        arrays = [found[str(number)] for number in range(len(leaves))]
    except (OSError, ValueError, KeyError) as error:
        raise HandrailError(f"{path} cannot be read ({error}); delete it") from None
    for array, leaf in zip(arrays, leaves, strict=True):
        if array.shape != leaf.shape or array.dtype != leaf.dtype:
            raise HandrailError(
                f"{path} is of another intervention: it holds {array.dtype} of shape "
                f"{array.shape}, expected {leaf.dtype} of {leaf.shape}; delete it"
            )
    return jax.tree.unflatten(tree, [jnp.asarray(array) for array in arrays])


def _grid(world: LavaEnvironment, row: int) -> list[str]:
    kinds = world.grids[int(world.layout_of_row[row])]
    return ["".join(CELLS[kind] for kind in column) for column in kinds.T]


@eqx.filter_jit
def _rolled(
    world: LavaEnvironment,
    policy: RolloutPolicy,
    intervention: Intervention,
    memory: Memory,
    total: int,
    keys: Key[Array, " episodes"],
) -> Any:
    step = jnp.int32(round(HALFWAY * total))
    begun = eqx.tree_at(lambda progress: progress.step, Progress.begin(), step)
    done = rollout(
        world,
        policy,
        lambda key, number: intervention,
        keys=keys,
        moment=Moment(begun, memory, total),
        record=decided,
        outcome=lambda state, timestep: timestep.observation,  # the row that was reached
    )
    return done, jax.vmap(lambda key: world.reset(key=stream(key, "reset"))[1])(keys)
