"""No knowledge comes from a layout that results are reported on."""

import dataclasses

import pytest

from handrail.core.splits import first_test_seeds
from handrail.envs.lava.make import make_lava
from handrail.tasks.lava import problems
from handrail.tasks.lava.settings import HELD_OUT_ENVIRONMENTS, LavaEncoder, LavaPrior


@pytest.mark.parametrize("environment", HELD_OUT_ENVIRONMENTS)
@pytest.mark.parametrize("settings", [LavaPrior(layouts="many"), LavaEncoder()])
def test_pools_leave_out_the_layouts_of_their_split(settings, environment):
    pools = {
        split: grids(problems._pool(dataclasses.replace(settings, held_out=split)), environment)
        for split in ("published", "test")
    }
    reported = {
        "published": grids_of((123, 456, 789, 1011, 1213), environment),
        "test": grids_of(first_test_seeds(20), environment),
    }
    for split, pool in pools.items():
        assert pool and not pool & reported[split]
    # each would meet the other's, so the setting does something (there are 42 layouts of S9N1)
    if environment == "LavaCrossingS9N1":
        assert pools["published"] & reported["test"] and pools["test"] & reported["published"]


def grids(layout, environment):
    return {grid.tobytes() for grid in make_lava(environment, layout=layout).grids}


def grids_of(seeds, environment):
    return {make_lava(environment, layout=seed).grids[0].tobytes() for seed in seeds}
