"""The smallest experiment with knowledge and runs, for engines to compute."""

import json
from pathlib import Path

from handrail.core.versions import ENVIRONMENT

TOML = """
title = "Tiny"
environments = ["LavaCrossingS9N1"]

[base]
steps = 2_000
learning = { learning_starts = 500, batch = 16, hidden = [8] }

[variants]
dqn = { method = "dqn" }
priors = { method = "priors-0.95" }

[budgets.quick]
seeds = [1]
prior.sources = ["SimpleCrossingS9N1"]
prior.source_steps = 1_000
prior.prior_steps = 1_000
prior.source_learning = { learning_starts = 500, batch = 16, hidden = [8] }
prior.prior_learning = { learning_starts = 500, batch = 16, hidden = [8] }
"""
WALL = "wall_s"


def tiny_experiment(folder: Path) -> str:
    """The file of the experiment, written into `folder`."""
    path = folder / "tiny.toml"
    path.write_text(TOML)
    return str(path)


def table(page: Path) -> list[list[str]]:
    """The cells of `summary.csv` beside a report, without the wall-clock time."""
    lines = (page.parent / "summary.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    wall = rows[0].index(WALL)
    return [row[:wall] + row[wall + 1 :] for row in rows]


def uncalled(path: Path) -> bytes:
    """A file's bytes; of `environment.json` without the command of each entry."""
    if path.name != ENVIRONMENT:
        return path.read_bytes()
    known = json.loads(path.read_text())["environments"]
    return json.dumps([{**entry, "command": None} for entry in known], sort_keys=True).encode()


def contents(out: Path) -> dict[str, bytes]:
    """Every file below `out` that a task has left, but for those with wall-clock times, and but for
    how its process was called.
    """
    return {
        str(path.relative_to(out)): uncalled(path)
        for folder in ("knowledge", "runs")
        for path in sorted((out / folder).rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != "summary.json"
    }
