"""`check_transfer` of guides with discrete actions."""

import json

import numpy as np
import pytest

import handrail
from tests.api.test_policy_guides import FEW, Ledge, Numbered

CHECK = {"limit": 10.0, "episode_length": 40, "takeover_cost": 0.5, "episodes": 20}


class Slippery(Numbered):
    """It drifts towards the edge by as much as the guide moves away from it."""

    def move(self, action):
        return Numbered.move(self, action) + 0.2


class Four(Numbered):
    """A move that the guide has never heard of."""

    action_space = type(Numbered.action_space)(4)


def away(observation):
    """To the left where that is safer, else on the spot."""
    return 0 if observation[0] > 0 else 1


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbered") / "guide"
    return handrail.guide_from_policy(away, Numbered, folder, **FEW)


@pytest.fixture(scope="module")
def at_home(guide, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "check.json"
    return handrail.check_transfer(guide, Numbered, Numbered, out=out, **CHECK), out


def test_numbered_actions_are_explored_and_judged(at_home):
    verdict, out = at_home
    assert verdict.trusted, verdict.text
    measured = json.loads(out.read_text())["measured"]
    # random steps of 0.2, each for a while, meet the edge; the guide alone leaves it within steps
    assert measured["source"]["costly_states"] > 20
    assert np.mean(measured["source"]["own_costs"]) < 5
    assert max(measured["guarded_target"]["costs"]) <= 40


def test_a_target_in_which_its_actions_do_something_else_is_not_trusted(guide):
    verdict = handrail.check_transfer(guide, Numbered, Slippery, **CHECK)
    assert not verdict.trusted
    assert any("over the limit" in reason for reason in verdict.reasons), verdict.text


@pytest.mark.parametrize("other", [Four, Ledge])
def test_other_actions_do_not_fit(guide, other):
    verdict = handrail.check_transfer(guide, Numbered, other, **CHECK)
    assert not verdict.trusted
    assert "it does not fit: " in verdict.text and "3 numbered actions" in verdict.text
