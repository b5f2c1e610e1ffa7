"""Does the test of guides as guards hold outside of navigation? A mass on a rail, many seeds.

    python results/own_guards.py FOLDER [--seeds 12]

For each seed a guide is trained and kept in both ways (the best guard, the highest bonus), and a
student of budget-switch with each. `FOLDER/own-guards.csv` has a row a student; finished runs are
not repeated. Prints the rank correlation of `guarded_cost` with what the student paid in all.
"""

import argparse
from pathlib import Path

import gymnasium
import numpy as np
from scipy.stats import spearmanr

import handrail
from handrail.artifact import load
from handrail.records import Table, read_table

LENGTH, LIMIT, FIELD = 100, 5.0, 0.5
COLUMNS = (
    "seed", "guard", "guide_step", "guide_return", "guide_cost", "guarded_cost", "guarded_share",
    "total_cost", "epochs_above_limit", "worst_epoch_cost", "target_return", "target_cost",
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


def student(folder: Path, seed: int, guard: bool, settings: dict) -> dict[str, float]:
    """A guide and its student, and what became of both."""
    name = f"{'guard' if guard else 'bonus'}-{seed}"
    guide = handrail.train_guide(
        lambda: Rail(task=False), folder / f"guide-{name}", bonus="place", limit=LIMIT / 5,
        chosen="guard" if guard else "bonus", guard_episodes=100, seed=seed,
        **settings | {"steps": 8_000, "epoch": 1_000},
    )  # fmt: skip
    out = folder / f"student-{name}"
    handrail.train_student(
        Rail, guide, out, method="budget-switch", view=handrail.View.keep(["place", "speed"]),
        limit=LIMIT, seed=seed, **settings | {"steps": 10_000, "epoch": 1_000},
    )  # fmt: skip
    kept = load(guide)[0].training["evaluation"]
    table, episodes = read_table(out / "evaluations.csv"), read_table(out / "episodes.csv")
    behaviour = table["behaviour_cost"]
    return {
        "seed": seed, "guard": float(guard), "guide_step": kept["step"],
        "guide_return": kept["return"], "guide_cost": kept["cost"],
        "guarded_cost": kept["guarded_cost"], "guarded_share": kept["guarded_share"],
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
    parser.add_argument("--seeds", type=int, default=12)
    options = parser.parse_args()
    settings = {"episode_length": LENGTH, "evaluation_episodes": 10}
    rows = [
        student(options.folder, seed, guard, settings)
        for seed in range(options.seeds)
        for guard in (True, False)
    ]
    (options.folder / "own-guards.csv").unlink(missing_ok=True)
    table = Table(options.folder / "own-guards.csv", COLUMNS)
    table.add(rows)
    column = {name: np.array([row[name] for row in rows]) for name in COLUMNS}
    found = spearmanr(column["guarded_cost"], column["total_cost"])
    print(f"rank correlation of guarded and total cost: {found.statistic:.2f}")
    for guard in (1.0, 0.0):
        own = column["guard"] == guard
        means = {name: round(float(values[own].mean()), 2) for name, values in column.items()}
        print("best guard" if guard else "highest bonus", means)


if __name__ == "__main__":
    main()
