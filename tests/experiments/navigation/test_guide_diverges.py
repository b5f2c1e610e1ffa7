"""A guide whose multiplier explodes stops, says so, and leaves what it had learnt."""

import dataclasses

import numpy as np
import pytest

from handrail.core.artifact import load
from handrail.core.files import read_json
from handrail.train.health import Diverged
from tests.experiments.navigation.toy import acquire_guide, small, use_toy


def test_a_guide_whose_multiplier_explodes_keeps_its_last_good_state(tmp_path, monkeypatch):
    """Each step of θ is a million; the first, with a fresh critic below the limit, goes down."""
    use_toy(monkeypatch)
    settings = small("control-switch").knowledge["guide"]
    learning = dataclasses.replace(settings.learning, multiplier_rate=1e9)
    settings = dataclasses.replace(settings, learning=learning)
    for again in ("", "this run has diverged and would again: "):
        with pytest.raises(Diverged, match=f"{again}learning diverged .*never rise again"):
            acquire_guide(settings, tmp_path)
    report = read_json(tmp_path / "diverged.json")
    assert report["symptoms"][0]["kind"] == "parameter"
    assert not (tmp_path / "guide.safetensors").exists()
    _, arrays = load(tmp_path / report["state"], expect="checkpoint")
    learnt = {name: array for name, array in arrays.items() if "parameters" in name}
    assert learnt and all(np.abs(array).max() < 10 for array in learnt.values())
