"""An environment that commands cannot train in is refused before anything is computed."""

import pytest

from handrail.core.errors import HandrailError, UnknownName
from handrail.envs.lava import source
from handrail.tasks.registry import FAMILIES, OWN, look_at

NAMES = [name for family in FAMILIES for name in family.environments]


@pytest.mark.parametrize("name", [*NAMES, "MiniGrid-LavaGapS5-v0"])
def test_every_environment_of_a_family_passes(name):
    look_at(name, seed=123)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LavaCrosing9N1", "LavaCrossingS9N1"),
        ("MiniGrid-LavaCrosingS9N1-v0", "LavaCrossingS9N1"),
        ("navigation-sttaic", "navigation-static"),
        ("navigation_static", "navigation-static"),
    ],
)
def test_a_typo_is_told_with_the_names_of_all_families(name, meant):
    with pytest.raises(UnknownName, match=f"'{name}': did you mean '{meant}'") as caught:
        look_at(name)
    assert "LavaGapS5" in str(caught.value)
    assert "navigation-dynamic" in str(caught.value)
    assert str(caught.value).endswith(OWN)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("DoorKey-5x5", "has a door in its grid"),
        ("MiniGrid-DoorKey-5x5-v0", "has a door in its grid"),
        ("Dynamic-Obstacles-5x5", "has a ball in its grid"),
        ("mine:Plant-v0", "cannot import the module"),
    ],
)
def test_other_environments_are_for_the_python_functions(name, reason):
    with pytest.raises(HandrailError, match=reason) as caught:
        look_at(name)
    assert not isinstance(caught.value, UnknownName)
    assert "train_dqn" in str(caught.value)


def test_the_grid_of_the_seed_is_read(monkeypatch):
    seeds = []
    read = source.LavaSource.layout
    monkeypatch.setattr(
        source.LavaSource, "layout", lambda self, seed: seeds.append(seed) or read(self, seed)
    )
    look_at("LavaGapS5", seed=7)
    assert 7 in seeds
