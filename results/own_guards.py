"""Guides and students outside of navigation: a mass on a rail, many seeds.

    python results/own_guards.py FOLDER [--seeds 10]

For each seed a guide is trained and kept in both ways (the best guard, the highest bonus), and
students of budget-switch with each, which hand over at a foreseen cost of two steps, or at twice
the limit. `FOLDER/own-guards.csv` has a row a student; finished runs are not repeated.
"""

import argparse
import csv
from pathlib import Path

import gymnasium
import numpy as np

import handrail
from handrail.core.artifact import load
from handrail.core.records import read_table
from handrail.equations.budget import discounted_limit

LENGTH, LIMIT, FIELD = 100, 5.0, 0.5
COLUMNS = (
    "seed", "guard", "foreseen", "guide_step", "guide_return", "guide_cost", "shielded_cost",
    "shielded_share", "total_cost", "epochs_above_limit", "worst_epoch_cost", "target_return",
    "target_cost",
)  # fmt: skip


class Rail(gymnasium.Env):
    """A mass on a rail; beyond ±`FIELD` costs. The task, if there is one, is to be at the goal."""

    action_space = gymnasium.spaces.Box(-3.0, 3.0, (1,))

    def __init__(self, task: bool = True):
        parts = {name: gymnasium.spaces.Box(-5, 5, (1,)) for name in ("place", "speed", "goal")}
        self.seen = list(parts) if task else ["place", "speed"]
        self.observation_space = gymnasium.spaces.Dict({name: parts[name] for name in self.seen})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.speed = 0, 0.0
        self.place, self.goal = self.np_random.uniform(-0.45, 0.45, 2)
        return self.look(), {}

    def look(self):
        return {name: np.array([getattr(self, name)], np.float32) for name in self.seen}

    def step(self, action):
        self.steps += 1
        self.speed = float(np.clip(self.speed + 0.05 * action[0], -1, 1))
        self.place = float(np.clip(self.place + 0.1 * self.speed, -1, 1))
        cost = float(abs(self.place) > FIELD)
        return (
            self.look(),
            -abs(self.place - self.goal),
            False,
            self.steps == LENGTH,
            {"cost": cost},
        )


def student(folder: Path, seed: int, guard: bool, foreseen: float) -> dict[str, float]:
    """A guide and its student, and what became of both."""
    settings = {"episode_length": LENGTH, "evaluation_episodes": 10, "epoch": 1_000}
    name = f"{'guard' if guard else 'bonus'}-{seed}"
    guide = handrail.train_guide(
        lambda: Rail(task=False), folder / f"guide-{name}", bonus="place", limit=LIMIT / 5,
        selection="shield" if guard else "return", shield_episodes=30, steps=8_000, seed=seed,
        **settings,
    )  # fmt: skip
    out = folder / f"student-{name}-{foreseen:.2g}"
    handrail.train_student(
        Rail, guide, out, method="budget-switch", view=handrail.View.keep(["place", "speed"]),
        limit=LIMIT, threshold=foreseen / discounted_limit(LIMIT, 0.99, LENGTH), steps=10_000,
        seed=seed, **settings,
    )  # fmt: skip
    kept = load(guide)[0].training["evaluation"]
    table, episodes = read_table(out / "evaluations.csv"), read_table(out / "episodes.csv")
    behaviour = table["behaviour_cost"]
    return {
        "seed": seed, "guard": float(guard), "foreseen": foreseen, "guide_step": kept["step"],
        "guide_return": kept["return"], "guide_cost": kept["cost"],
        "shielded_cost": kept["shielded_cost"], "shielded_share": kept["shielded_share"],
        "total_cost": float(episodes["cost"].sum()),
        "epochs_above_limit": float((behaviour > LIMIT).sum()),
        "worst_epoch_cost": float(behaviour.max()),
        "target_return": float(table["target_return"][-3:].mean()),
        "target_cost": float(table["target_cost"][-3:].mean()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    twice = 2 * discounted_limit(LIMIT, 0.99, LENGTH)
    arms = [(guard, foreseen) for foreseen in (2.0, twice) for guard in (True, False)]
    rows = [student(options.folder, seed, *arm) for seed in range(options.seeds) for arm in arms]
    with open(options.folder / "own-guards.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for guard, foreseen in arms:
        own = [row for row in rows if row["guard"] == guard and row["foreseen"] == foreseen]
        print("best guard" if guard else "highest bonus", f"hand-over at a foreseen {foreseen:.2g}")
        for name in COLUMNS[4:]:
            values = [row[name] for row in own]
            print(f"  {name:20} mean {np.mean(values):8.2f}  worst {max(values):8.2f}")


if __name__ == "__main__":
    main()
