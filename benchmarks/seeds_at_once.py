"""Environment steps a second of many seeds in one program, beside one seed on one core of a CPU.

    python -m benchmarks.seeds_at_once [--quick] [--device gpu] [--task navigation-static]
        [--method sac-lagrangian] [--seeds 1 32 256]

Every step is learnt from (one update a step), with the networks and the batch of the task's
defaults. `alone` is the loop that `handrail train` runs, on the CPU in one thread; the others are
so many seeds of the same loop as one program (`handrail.train.vmapped`) on the device. `times as
fast` is the sum of all seeds' steps against that one core, by the clock. `apart` compares what the
first hundred updates report (losses, values, multiplier), of one seed on the CPU and of the same
memory and key among several on the device: the largest difference, as a share.
"""

from typing import Any

from benchmarks.common import Contestant, Gate, Sheet, Spread, alternate, arguments, per_second

SEEDS = (1, 8, 64)
PUTTING_ASIDE = 1_000  # steps before the first update, so that batches can be drawn
STEPS = 100_000  # of a run: what its replay holds


def loop_of(task: str, method: str, steps: int) -> Any:
    """A run's loop in a task, with the paper's networks and batch."""
    from handrail.methods.sagui.train_student import student_loop
    from handrail.tasks.navigation.family import resolve_settings
    from handrail.tasks.navigation.problems import target_of

    settings = {"environment": task, "method": method, "steps": steps, "epoch": steps}
    run = resolve_settings({**settings, "learning.learning_starts": PUTTING_ASIDE}).run
    return student_loop(target_of(run), run, {})


def started(loop: Any, key: Any) -> Any:
    """A run that has put aside its first transitions."""
    return loop.blocks(loop.init(key=key), PUTTING_ASIDE // loop.agent.train_every, learn=False)[0]


def trained(loop: Any, state: Any, blocks: int) -> Any:
    """The state after so many blocks, with as many updates as steps."""
    return loop.blocks(state, blocks, learn=True)[0]


def alone(gate: Gate, *, task: str, method: str, blocks: int) -> None:
    """One seed on the CPU."""
    import jax

    from handrail.core.jax_setup import choose

    choose("cpu")
    loop = loop_of(task, method, STEPS)
    state = trained(loop, started(loop, jax.random.key(0)), blocks)
    while True:
        jax.block_until_ready(state)
        gate()
        state = jax.block_until_ready(trained(loop, state, blocks))


def together(gate: Gate, *, task: str, method: str, blocks: int, seeds: int, device: str) -> None:
    """Many seeds in one program on the device."""
    import jax

    from handrail.core.jax_setup import choose
    from handrail.train.vmapped import VmappedRuns

    choose(device)
    loop = loop_of(task, method, STEPS)
    runs = VmappedRuns([loop] * seeds)
    silent = PUTTING_ASIDE // loop.agent.train_every
    states, *_ = runs.blocks(runs.init(keys_of(seeds)), silent, learn=False)
    states, *_ = runs.blocks(states, blocks, learn=True)
    while True:
        jax.block_until_ready(states)
        gate()
        states, *_ = runs.blocks(states, blocks, learn=True)
        jax.block_until_ready(states)


def keys_of(seeds: int) -> Any:
    """The keys of so many seeds: those of fewer are the first ones of more."""
    import jax
    import jax.numpy as jnp

    return jax.vmap(jax.random.key)(jnp.arange(seeds))


def apart(task: str, method: str, device: str) -> float:
    """How far a seed among several on the device is from itself alone on the CPU.

    Both learn from the same memory: the physics are chaotic, so two devices see other states.
    """
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import numpy as np

    from handrail.core.jax_setup import choose
    from handrail.learners.base import Clock

    choose(device)
    loop = loop_of(task, method, 10_000)

    def learnt(agent, key):
        clock = Clock(jnp.int32(PUTTING_ASIDE), jnp.float32(0.1))
        policy_snapshot = loop.agent.prepare(agent, key=key)
        return loop.agent.learn(agent, policy_snapshot, clock, key=key)[1]

    with jax.default_device(jax.devices("cpu")[0]):
        agent = started(loop, jax.random.key(0)).agent
        reference = eqx.filter_jit(learnt)(agent, jax.random.key(1))
    memory = jax.tree.map(lambda leaf: jnp.stack([np.asarray(leaf)] * 4), agent)
    found = eqx.filter_jit(jax.vmap(learnt, in_axes=(0, None)))(memory, jax.random.key(1))
    pairs = [(float(reference[name]), float(found[name][0])) for name in reference]
    return max(abs(one - other) / max(abs(one), 1e-3) for one, other in pairs)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--task", default="navigation-static")
    parser.add_argument("--method", default="sac-lagrangian", help="one that needs no files")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--blocks", type=int, default=10, help="blocks of 100 steps in a turn")
    options = parser.parse_args()
    repeats = options.repeats or (1 if options.quick else 5)
    sheet = Sheet(
        "seeds-at-once" + ("" if options.device == "cpu" else f"-{options.device}"),
        quick=options.quick,
        settings={
            "task": options.task, "method": options.method, "device": options.device,
            "kind": kind_of(options.device), "repeats": repeats, "blocks": options.blocks,
        },
    )  # fmt: skip
    common = {"task": options.task, "method": options.method, "blocks": options.blocks}
    steps = 100 * options.blocks
    contestants = {"alone": Contestant(alone, amount=steps, **common)}
    for seeds in options.seeds:
        contestants[str(seeds)] = Contestant(
            together, amount=steps * seeds, seeds=seeds, device=options.device, **common
        )
    turns = alternate(contestants, repeats)
    for name, taken in turns.items():
        faster = [one.wall / other.wall for one, other in zip(turns["alone"], taken, strict=True)]
        sheet.add(
            seeds=name, steps_per_s=per_second(taken)["wall"], times_as_fast=Spread.of(faster)
        )
    sheet.add(apart=apart(options.task, options.method, options.device))
    sheet.write()


def kind_of(device: str) -> str:
    """What the device calls itself."""
    import jax

    from handrail.core.jax_setup import choose

    choose(device)
    return jax.devices(device.partition(":")[0])[0].device_kind


if __name__ == "__main__":
    main()
