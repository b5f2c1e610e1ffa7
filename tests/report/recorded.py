"""Run folders as trainings leave them, of made-up numbers, for tests of pages."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from handrail.core.records import EPISODE_COLUMNS, GrowingTable
from handrail.methods.sagui.evaluations import STUDENT_COLUMNS


def write_run(
    folder: Path,
    *,
    method: str = "budget-switch",
    seed: int = 0,
    environment: str = "Pendulum-v1",
    steps: int = 10_000,
    chunks: int = 10,
    epochs: int = 10,
    limit: float = 5.0,
    gain: float = 1.0,
    settings: dict[str, Any] | None = None,
    finished: bool = True,
) -> Path:
    """A student's run: episodes of 100 steps, `chunks` rows of progress, `epochs` tests.

    Returns rise to `gain`; costs fall from three times the limit; interventions fade out.
    """
    draw = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    run = {"environment": environment, "method": method, "seed": seed, "steps": steps}
    run |= {"limit": limit, "learning": {"discount": 0.99}}
    recorded = {"purpose": "own student", "run": run, "needs": {"guide": "0" * 64}}
    recorded |= {"episode_length": 100, **(settings or {})}
    (folder / "run.json").write_text(json.dumps(recorded))
    versions = {"handrail": "0.1.0", "jax": "0.10.2", "mujoco": "none"}
    here = {"versions": versions, "python": "3.12", "processor": "one", "device": "cpu"}
    here["command"] = "mine.py --fast"
    (folder / "environment.json").write_text(json.dumps({"environments": [here]}))

    ends = np.arange(100, steps + 1, 100)
    done = ends / steps
    returns = gain * done + 0.1 * draw.normal(size=len(ends))
    costs = np.round(limit * 3 * (1 - done) * draw.uniform(0.5, 1.5, len(ends)))
    taken = np.round(50 * (1 - done))
    GrowingTable(folder / "episodes.csv", EPISODE_COLUMNS).add(
        dict(zip(EPISODE_COLUMNS, (int(end), float(r), float(c), 100, int(n)), strict=True))
        for end, r, c, n in zip(ends, returns, costs, taken, strict=True)
    )
    at = np.linspace(steps / chunks, steps, chunks).astype(int)
    GrowingTable(folder / "progress.csv").add(
        {
            "step": int(end),
            "episodes": int(end // 100),
            "cost": float(costs[: end // 100].sum()),
            "interventions": int(taken[: end // 100].sum()),
            "mean_return": float(returns[: end // 100].mean()),
            "evidence/predicted_cost": float(limit * (1 - end / steps)),
            "evidence/budget_spent": 0.2 * (1 - end / steps),
        }
        for end in at
    )
    epoch = np.linspace(steps / epochs, steps, epochs).astype(int)
    GrowingTable(folder / "evaluations.csv", STUDENT_COLUMNS).add(
        dict(
            zip(
                STUDENT_COLUMNS,
                (int(end), gain * end / steps, limit, 10, 0.1, gain * end / steps, limit / 2, 100),
                strict=True,
            )
        )
        for end in epoch
    )
    if finished:
        summary = {"steps": steps, "limit": limit, "takeover_cost": 1.5, "final_return": gain}
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder
