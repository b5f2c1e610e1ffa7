"""Environment steps a second on MuJoCo: stepping alone, learning alone, and the loop of both.

    python -m benchmarks.host_loop [--quick] [--size 32 64 256] [--copies 1 10]
        [--task navigation-dynamic]

`stepping` is the environment under random actions, `learning` the updates due for as many
steps (one a step) on a filled replay, `overlapped` the host loop that learns from a block
while it steps the next, `in turn` the same without the second thread. Ideally `overlapped` is as
fast as the slower of stepping and learning alone; `share of ideal` is how much of that it
reaches (target 0.85). `learning beside` is learning while another process steps: cores that share
a processor slow each other, and no loop can be faster than that; `share of possible` is how much
of it is reached. Of `copies`, environments side by side are decided for in one call; what
is stepped alone is a single one, in either case. One thread each, but two in `overlapped`: give it
two idle cores. It is by the clock alone, since processor time of two threads says nothing about
their overlap.
"""

import itertools
import math
from typing import Any

from benchmarks.common import (
    Contestant,
    Gate,
    Portion,
    Sheet,
    Spread,
    alternate,
    arguments,
    beside,
    per_second,
)

WARM = 10  # blocks before anything is timed
TARGET = 0.85
LONGER = 2.0  # what is to keep a core busy, in times of what it is measured beside


def _loop(task: str, size: int, copies: int, *, delayed: bool):
    import jax

    from handrail.core.jax_setup import dispatch_at_once
    from handrail.envs.host_copies import HostCopies
    from handrail.envs.navigation.mujoco_host import MujocoHost
    from handrail.envs.navigation.tasks import navigation_task
    from handrail.interventions.recipes import none
    from handrail.learners.sac.agent import SacAgent
    from handrail.replay.ring import Ring
    from handrail.train.host import HostLoop

    dispatch_at_once()
    agent = SacAgent(replay=Ring(100_000), hidden=(size, size), batch=size, learning_starts=500)
    environments = [MujocoHost(navigation_task(task)) for _ in range(copies)]
    environment = environments[0] if copies == 1 else HostCopies(environments)
    loop = HostLoop(environment, agent, none(), 10_000_000, delayed=delayed)
    state, *_ = loop.blocks(loop.init(key=jax.random.key(0)), WARM, learn=False)
    return loop, loop.blocks(state, 2, learn=True)[0]


def stepping(gate: Gate, *, task: str, size: int, copies: int, steps: int) -> None:
    """The environment alone, under random actions, with its resets."""
    import jax
    import numpy as np

    from handrail.envs.navigation.mujoco_host import MujocoHost
    from handrail.envs.navigation.tasks import navigation_task

    environment, key = MujocoHost(navigation_task(task)), jax.random.key(0)
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, 2)).astype(np.float32)
    environment.reset(key=key)
    while True:
        gate()
        for action in actions:
            timestep = environment.step(action, key=key)
            if timestep.terminated or timestep.truncated:
                environment.reset(key=key)


def learning(gate: Gate, *, task: str, size: int, copies: int, steps: int) -> None:
    """The updates that are due for so many steps, on the replay of the loop's first blocks."""
    import equinox as eqx
    import jax

    from handrail.learners.base import Clock

    loop, state = _loop(task, size, copies, delayed=True)
    agent, clock = loop.agent, Clock(state.progress.step, jax.numpy.float32(0.1))

    @eqx.filter_jit(donate="all-except-first")
    def learn(given, state):
        policy_snapshot = agent.prepare(state, key=given[0])
        return agent.learn(state, policy_snapshot, given[1], key=given[0])[0]

    learnt = learn((state.key, clock), state.agent)
    while True:
        gate()
        for _ in range(steps // agent.train_every):
            learnt = jax.block_until_ready(learn((state.key, clock), learnt))


def overlapped(gate: Gate, *, task: str, size: int, copies: int, steps: int) -> None:
    """The host loop, learning in a second thread."""
    _run(gate, _loop(task, size, copies, delayed=True), steps)


def in_turn(gate: Gate, *, task: str, size: int, copies: int, steps: int) -> None:
    """The host loop, stepping and learning in turn."""
    _run(gate, _loop(task, size, copies, delayed=False), steps)


def _run(gate: Gate, made: tuple[Any, Any], steps: int) -> None:
    loop, state = made
    while True:
        gate()
        state, *_ = loop.blocks(state, steps // loop.agent.train_every, learn=True)


def _share(turns: dict[str, list[Portion]], slower: str) -> Spread:
    """What the overlap reaches of the slower of stepping and this."""
    rounds = zip(turns["stepping"], turns[slower], turns["overlapped"], strict=True)
    return Spread.of([max(one.wall, two.wall) / both.wall for one, two, both in rounds])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--size", nargs="+", type=int, default=[32, 64, 256])
    parser.add_argument("--copies", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--task", default="navigation-dynamic")
    options = parser.parse_args()
    repeats = options.repeats or (1 if options.quick else 9)
    sheet = Sheet(
        "host-loop",
        quick=options.quick,
        settings={"task": options.task, "repeats": repeats, "target": TARGET},
    )
    for size, copies in itertools.product(options.size, options.copies):
        steps = 200 if options.quick else 100 * max(5, 3_000 // size)
        common = {"task": options.task, "size": size, "copies": copies}
        works = (stepping, learning, overlapped, in_turn)
        turns = alternate(
            {w.__name__: Contestant(w, amount=steps, steps=steps, **common) for w in works},
            repeats,
        )
        slower = max(1.0, turns["learning"][-1].wall / turns["stepping"][-1].wall)
        busy = math.ceil(LONGER * slower) * steps
        turns["learning_beside"] = beside(
            Contestant(learning, amount=steps, steps=steps, **common),
            Contestant(stepping, amount=busy, steps=busy, **common),
            repeats,
        )
        sheet.add(
            size=size,
            copies=copies,
            **{f"{name}_per_s": per_second(taken)["wall"] for name, taken in turns.items()},
            share_of_ideal=_share(turns, "learning"),
            share_of_possible=_share(turns, "learning_beside"),
        )
    sheet.write()


if __name__ == "__main__":
    main()
