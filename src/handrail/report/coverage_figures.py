"""The report of guides by themselves: where they go, and what share of the source they cover."""

from functools import partial

import jax
import numpy as np

from handrail.report.density import Density, densities
from handrail.report.finished import Cell, Finished
from handrail.report.html import Block, Picture, Table, over_seeds
from handrail.tasks.navigation.coverage import EPISODES, Coverage, cover
from handrail.tasks.registry import short_name

READING = (
    f"Every guide is rolled out over {EPISODES} whole episodes of its source, without rescue "
    "starts. Distance and cost are undiscounted sums over an episode, with the distance measured "
    "whatever the guide was trained on; an episode ends early where the robot leaves the extents. "
    "The exit cost is the cost of an episode of the training's length that begins inside a hazard. "
    "Covered: the share of the free cells (0.1 m wide in Static, centres outside hazards) that one "
    "episode visits, and that all episodes together visit. Starts are spread over the whole area, "
    "so the share of one episode says what the guide explores, the share of all what it can reach. "
    "Entropy: of the time spent in each cell, 1 for equal time everywhere. Over seeds: "
    "interquartile means with 95 % stratified bootstrap intervals."
)
QUANTITIES = {
    "distance": "distance (m)",
    "cost": "cost",
    "length": "length (steps)",
    "exit_cost": "exit cost",
    "covered_by_episode": "covered by an episode",
    "covered": "covered by all",
    "entropy": "entropy",
}


def coverage(finished: Finished) -> list[Block]:
    """A table over seeds and a density map of the first seed, a set for every task."""
    blocks: list[Block] = []
    for environment in finished.experiment.environments:
        found = {
            variant: _measured(finished, variant, environment)
            for variant in finished.experiment.variants
        }
        task = short_name(environment)
        limit = next(
            t.settings.knowledge["guide"].limit
            for r, t in finished.rows
            if r.environment == environment
        )
        blocks.append(_table(found, f"{task}, source: means over episodes; limit {limit:g}."))
        maps = [
            Density(variant, first.visits, first.extent, first.hazards, first.hazard_size)
            for variant, (first, *_) in found.items()
        ]
        caption = (
            f"{task}: time spent over {EPISODES} episodes of the source, seed "
            f"{finished.seeds[0]}, seen from above. A hazard that is drawn anew at every episode "
            "is not shown."
        )
        blocks.append(Picture(partial(densities, maps), caption, f"Where the guides go, {task}"))
    return blocks


def _measured(finished: Finished, variant: str, environment: str) -> list[Coverage]:
    """One a seed, the first seed first."""
    return [
        cover(
            task.settings.knowledge["guide"],
            next(n.folder for n in task.needs if n.kind == "guide") / "guide.safetensors",
            key=jax.random.key(row.seed),
        )
        for row, task in finished.rows_of(variant, environment)
    ]


def _table(found: dict[str, list[Coverage]], caption: str) -> Table:
    rows: list[list[Cell]] = []
    for variant, measured in found.items():
        values = (np.array([getattr(one, name) for one in measured]) for name in QUANTITIES)
        rows.append([variant, *map(over_seeds, values)])
    return Table(["guide", *QUANTITIES.values()], rows, caption)
