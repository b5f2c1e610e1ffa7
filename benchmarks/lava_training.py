"""Training steps per second on LavaCrossingS9N1: handrail against stable-baselines3.

    python -m benchmarks.lava_training [--quick] [--observation symbolic pixels]

Environment steps with an update of 128 transitions every 10, once learning. Both run their own
training loop: handrail's `execute` (double DQN, prioritized replay; with its tables and
checkpoints) and stable-baselines3's `DQN.learn` (plain DQN, uniform replay: less work an
update) on the real MiniGrid with the same layout, observation, network and settings. Needs
`pip install -e '.[peers]'`.
"""

import dataclasses

from benchmarks import lava_runs
from benchmarks.common import Contestant, Gate, Sheet, alternate, arguments, per_second, ratio

LAYOUT = 123
# Mean over a run of ε falling from 1 to 0.05 within 90 % of it: a peer's random steps are cheaper.
EPSILON = 0.4775
TARGETS = {"symbolic": 6.0, "pixels": 1.2}
STEPS = {  # (handrail, peer) steps in a turn
    "symbolic": (20_000, 4_000),
    "pixels": (1_000, 500),
}
QUICK = {"symbolic": (5_000, 500), "pixels": (1_000, 100)}


def peer(gate: Gate, *, observation: str, steps: int, single: bool) -> None:
    """stable-baselines3, held at the gate by a callback."""
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from benchmarks.minigrid_peer import make_dqn, make_minigrid

    if single:
        torch.set_num_threads(1)

    class Held(BaseCallback):
        def _on_step(self) -> bool:
            done = self.num_timesteps - model.learning_starts - 100
            if done >= 0 and done % steps == 0:
                gate()
            return True

    # It learns from the first steps on: a batch is drawn with replacement.
    settings = dataclasses.replace(lava_runs.learning(), learning_starts=200)
    env = make_minigrid("LavaCrossingS9N1", observation, LAYOUT)
    model = make_dqn(env, observation, settings, epsilon=EPSILON)
    model.learn(100_000_000, callback=Held())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--observation", nargs="+", default=["symbolic", "pixels"])
    parser.add_argument("--threads", nargs="+", choices=["one", "default"],
                        default=["one", "default"])  # fmt: skip
    options = parser.parse_args()
    repeats = options.repeats or (2 if options.quick else 7)
    amounts = QUICK if options.quick else STEPS
    sheet = Sheet(
        "lava-training",
        quick=options.quick,
        settings={
            "environment": "LavaCrossingS9N1",
            "layout": LAYOUT,
            "learning": dataclasses.asdict(lava_runs.learning()),
            "steps per turn (handrail, peer)": amounts,
            "peer's exploration rate": EPSILON,
            "targets": TARGETS,
            "repeats": repeats,
        },
    )
    for observation in options.observation:
        ours, theirs = amounts[observation]
        for threads in options.threads:
            single = threads == "one"
            common = {"threads": 1 if single else None, "observation": observation}
            turns = alternate(
                {
                    "handrail": Contestant(
                        lava_runs.train, amount=ours, method="dqn", steps=ours, **common
                    ),
                    "peer": Contestant(peer, amount=theirs, steps=theirs, single=single, **common),
                },
                repeats,
            )
            sheet.add(
                observation=observation,
                threads=threads,
                handrail_steps_per_s=per_second(turns["handrail"]),
                peer_steps_per_s=per_second(turns["peer"]),
                times_faster=ratio(turns["peer"], turns["handrail"]),
                target=TARGETS[observation],
            )
    sheet.write()


if __name__ == "__main__":
    main()
