"""Environment steps a second of the MuJoCo tasks beside the bare physics of their models.

    python -m benchmarks.mujoco_tasks [--quick] [--task navigation-semi-dynamic …]

Random actions, each held for 20 steps; episodes of 1,000 steps. `physics` is `mj_step` with the
same ten substeps and nothing else, `exact` the engine with observation, reward and cost as Safety
Gym has them, `resting` the engine that training uses, whose vases sleep while they rest. One
thread.
"""

import numpy as np

from benchmarks.common import Contestant, Gate, Sheet, alternate, arguments, per_second, ratio

TASKS = ("navigation-semi-dynamic", "navigation-dynamic")
WAYS = ("physics", "exact", "resting")
HELD, LENGTH = 20, 1000
POINT_STEPS, OVERHEAD = 6_000, 1.5  # targets: steps/s of the point robot, of the car over physics


def drive(gate: Gate, *, task: str, way: str, steps_a_turn: int) -> None:
    """Episodes of random actions, the same in every contestant."""
    import mujoco

    from handrail.envs.navigation.engine import SUBSTEPS
    from handrail.envs.navigation.mujoco_engine import MujocoNavigation
    from handrail.envs.navigation.tasks import TASKS as KNOWN

    env = MujocoNavigation(KNOWN[task], resting=way == "resting")
    draws = np.random.default_rng(0)
    actions = draws.uniform(-1, 1, (LENGTH // HELD, 2))
    env.reset(seed=0)
    count = 0

    def physics(action: np.ndarray) -> None:
        env.data.ctrl[:] = action
        mujoco.mj_step(env.model, env.data, SUBSTEPS)

    step = physics if way == "physics" else env.step
    while True:
        gate()
        for _ in range(steps_a_turn):
            step(actions[count % LENGTH // HELD])
            count += 1
            if count % LENGTH == 0:
                env.reset()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--task", nargs="+", default=list(TASKS))
    options = parser.parse_args()
    amount = 500 if options.quick else 5_000
    repeats = options.repeats or (2 if options.quick else 7)
    sheet = Sheet(
        "mujoco-tasks",
        quick=options.quick,
        settings={
            "steps per turn": amount,
            "repeats": repeats,
            "threads": 1,
            "targets": f"point robot: {POINT_STEPS:,} steps/s; car: at most {OVERHEAD} of physics",
        },
    )
    for task in options.task:
        turns = alternate(
            {
                way: Contestant(drive, amount=amount, task=task, way=way, steps_a_turn=amount)
                for way in WAYS
            },
            repeats,
        )
        for way, taken in turns.items():
            over = ratio(taken, turns["physics"])
            sheet.add(task=task, way=way, per_second=per_second(taken), over_physics=over)
    sheet.write()


if __name__ == "__main__":
    main()
