"""What the safety module costs: training steps per second with and without it.

    python -m benchmarks.safety_overhead [--quick] [--observation symbolic pixels]

The same learner on LavaCrossingS9N1, plain (`dqn`), with the prior's action check alone, and with
state check and action check (`full`, fixed and adaptive distance). One thread. Knowledge is
random: what the tables hold changes no computation.
"""

import dataclasses

from benchmarks import lava_runs
from benchmarks.common import Contestant, Sheet, alternate, arguments, per_second, ratio

TARGET = 0.25  # of plain DQN's throughput
STEPS = {"symbolic": 20_000, "pixels": 1_000}
QUICK = {"symbolic": 5_000, "pixels": 500}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--observation", nargs="+", default=["symbolic", "pixels"])
    parser.add_argument("--method", nargs="+", default=list(lava_runs.METHODS[1:]))
    options = parser.parse_args()
    repeats = options.repeats or (2 if options.quick else 7)
    amounts = QUICK if options.quick else STEPS
    sheet = Sheet(
        "safety-overhead",
        quick=options.quick,
        settings={
            "environment": "LavaCrossingS9N1",
            "learning": dataclasses.asdict(lava_runs.learning()),
            "steps per turn": amounts,
            "threads": 1,
            "target": f"at most {TARGET:.0%} of dqn's throughput",
            "repeats": repeats,
        },
    )
    for observation in options.observation:
        steps = amounts[observation]
        turns = alternate(
            {
                method: Contestant(
                    lava_runs.train,
                    amount=steps,
                    method=method,
                    observation=observation,
                    steps=steps,
                )
                for method in ("dqn", *options.method)
            },
            repeats,
        )
        for method, taken in turns.items():
            share = ratio(turns["dqn"], taken)
            sheet.add(
                observation=observation,
                method=method,
                steps_per_s=per_second(taken),
                throughput_of_dqn=share,
                within_target=share["cpu"].median >= 1 - TARGET,
            )
    sheet.write()


if __name__ == "__main__":
    main()
