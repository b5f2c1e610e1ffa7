"""The episodes that a finished run keeps for its page: alone, and with what steps in."""

import dataclasses
import types

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.experiments.launch import keep_episodes
from handrail.tasks.navigation.family import NAVIGATION
from handrail.train.evaluate_pair import FadedOut
from handrail.train.rollout.recorded import RecordedEpisode

RUN = types.SimpleNamespace(seed=3)


def family(error=None):
    """One whose shielded episodes cannot be recorded, if there is an error."""

    def record(run, policy, files, episodes, seed, shielded):
        if shielded and error is not None:
            raise error
        assert (bool(files), episodes, seed) == (shielded, 1, 3)
        columns = {name: np.zeros(2) for name in ("reward", "cost", "intervened")}
        return [
            RecordedEpisode(
                kind="frames", environment="e", number=0, columns=columns, shielded=shielded
            )
        ]

    return dataclasses.replace(NAVIGATION, record=record)


@pytest.fixture
def folder(tmp_path):
    for name in ("policy.safetensors", "guide.safetensors"):
        (tmp_path / name).touch()
    return tmp_path


def ways(folder, of):
    files = {"guide": folder / "guide.safetensors"}
    return [episode.shielded for episode in keep_episodes(folder, of, RUN, files)]


def test_both_are_kept(folder):
    assert ways(folder, family()) == [True, False]


def test_of_an_intervention_that_has_faded_out_the_student_is_kept_alone(folder):
    assert ways(folder, family(FadedOut("linear-decay"))) == [False]


def test_any_other_error_is_said(folder):
    with pytest.raises(HandrailError, match="damaged"):
        ways(folder, family(HandrailError("damaged")))
