"""An episode written down step by step: what was proposed, what was done, and why."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Timestep
from handrail.envs.lava.environment import LavaEnvironment
from handrail.train.compiled import Loop, RunState
from handrail.train.rollout.base import Exploring, Moment
from handrail.train.rollout.compiled import rollout
from handrail.train.step import Progress

CELLS = ".#LG"  # floor, wall, lava, goal: the codes of `LavaEnvironment.grids`


def record_episode(
    loop: Loop, state: RunState, *, progress: float, key: Key[Array, ""]
) -> dict[str, Any]:
    """One episode of the trained agent with the exploration of `progress` (0 to 1) of the run.

    The intervention acts with what it remembers at the end of the run. The result is what
    `handrail.report.episodes` describes.
    """
    world = loop.environment
    assert isinstance(world, LavaEnvironment)
    seen = jax.device_get(_trace(loop, state, progress, key))
    length = int(np.argmax(seen["ended"])) + 1 if seen["ended"].any() else len(seen["ended"])
    names = world.actions.names
    steps = [_step(world, seen, index, names) for index in range(length)]
    last = {name: values[length - 1] for name, values in seen.items() if name != "evidence"}
    outcome = "lava" if last["cost"] > 0 else "goal" if last["reward"] > 0 else "time limit"
    kinds = world.grids[int(world.layout_of_row[seen["row"][0]])]
    return {
        "title": world.world.name,
        "outcome": outcome,
        "grid": ["".join(CELLS[kind] for kind in column) for column in kinds.T],
        "steps": steps,
        "final": _pose(world, int(last["next_row"])),
    }


@eqx.filter_jit
def _trace(loop: Loop, state: RunState, progress: float, key: Key[Array, ""]) -> dict[str, Any]:
    begun = eqx.tree_at(lambda p: p.step, Progress.begin(), jnp.int32(round(progress * loop.total)))
    policy_snapshot = loop.agent.prepare(state.agent, key=stream(key, "prepare"))
    done = rollout(
        loop.environment,
        Exploring(loop.agent, policy_snapshot, loop.total),
        lambda key, number: loop.intervention,
        keys=key[None],
        moment=Moment(begun, state.memory, loop.total),
        record=_decided,
        outcome=_happened,
    )
    assert done.steps is not None
    rewards = {"reward": done.steps.rewards, "cost": done.steps.costs}
    rows = done.steps.records | done.steps.outcomes | rewards
    return jax.tree.map(lambda leaf: leaf[0], rows)


def _decided(key: Key[Array, ""], context: Context, decision: Decision) -> dict[str, Any]:
    return {
        "row": context.observation,
        "proposed": context.proposed,
        "action": decision.action,
        "intervened": decision.intervened,
        "evidence": decision.evidence,
    }


def _happened(world: PyTree, timestep: Timestep) -> dict[str, Array]:
    return {
        "next_row": timestep.observation,
        "ended": timestep.terminated | timestep.truncated,
    }


def _step(world: LavaEnvironment, seen: dict, index: int, names: tuple[str, ...]) -> dict[str, Any]:
    evidence = {name: float(values[index]) for name, values in seen["evidence"].items()}
    intervened = bool(seen["intervened"][index])
    return {
        **_pose(world, int(seen["row"][index])),
        "proposed": names[int(seen["proposed"][index])],
        "action": names[int(seen["action"][index])],
        "intervened": intervened,
        "reason": _reason(evidence) if intervened else "",
        "reward": float(seen["reward"][index]),
        "cost": float(seen["cost"][index]),
        "evidence": evidence,
    }


def _pose(world: LavaEnvironment, row: int) -> dict[str, int]:
    x, y = world.cell_of_row[row]
    return {"x": int(x), "y": int(y), "dir": int(world.direction_of_row[row])}


def _reason(evidence: dict[str, float]) -> str:
    parts = []
    if "distance" in evidence:
        parts.append(
            f"the state is near unsafe ones (distance {evidence['distance']:.2f}, "
            f"limit {evidence['radius']:.2f})"
        )
    if "prior_advantage" in evidence:
        parts.append(
            f"the prior rates the action {-evidence['prior_advantage']:.3f} below the mean"
        )
    return " and ".join(parts) or "the intervention's condition holds"
