"""`check_transfer` in pairs of environments that are not ours."""

import json

import numpy as np
import pytest

from handrail.api.guides import train_guide
from handrail.api.transfer import check_transfer
from handrail.cli.check_transfer import check_pair
from handrail.core.errors import HandrailError
from handrail.envs.transfer import View
from handrail.methods.sagui.settings import SacSettings
from tests.envs.toys import Named, Walker

HOME = "tests.api.test_transfer_pairs"
LEARNING = SacSettings(
    hidden=(4,), batch=4, train_every=20, updates=2, learning_starts=40, replay=500
)  # fmt: skip
PARTS = ["phase", "position"]


class Source(Named):
    """A walker, of which both simulators say the same."""


class Steep(Named):
    """A target in which every step costs."""

    def step(self, action):
        *rest, _ = Named.step(self, action)
        return *rest, {"cost": 1.0}


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    return train_guide(
        Source, tmp_path_factory.mktemp("guide"), parts=PARTS, bonus="position", limit=10.0,
        episode_length=20, steps=80, epoch=40, evaluation_episodes=1, shield_episodes=2,
        learning=LEARNING,
    )  # fmt: skip


FEW = {"parts": PARTS, "episode_length": 20, "takeover_cost": 2.0, "episodes": 4}


@pytest.fixture(scope="module")
def same(guide, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "same.json"
    return check_transfer(guide, Source, Source, limit=25.0, out=out, **FEW), out


def test_a_target_like_the_source_is_trusted_at_a_limit_that_is_kept(same):
    verdict, out = same
    assert not [reason for reason in verdict.reasons if "over the limit" in reason]
    record = json.loads(out.read_text())
    assert record["source"] == record["target"] == "Source" and record["limit"] == 25.0
    measured = record["measured"]
    assert measured["limit_steps"] == 20
    assert np.array(measured["source"]["own_lengths"]).tolist() == [20] * 4
    assert max(measured["guarded_target"]["costs"]) <= 20


def test_a_target_that_costs_more_is_not(guide):
    verdict = check_transfer(guide, Source, Steep, limit=10.0, **FEW)
    assert not verdict.trusted
    assert any("costs 20, over the limit of 10" in reason for reason in verdict.reasons)


def test_a_target_that_it_does_not_fit_is_judged_without_running(guide):
    verdict = check_transfer(guide, Source, Walker, limit=10.0, **{**FEW, "parts": None},
                             source_parts=PARTS)  # fmt: skip
    assert not verdict.trusted
    assert "it does not fit: " in verdict.text


def test_the_view_says_what_the_guide_sees(guide):
    with pytest.raises(HandrailError, match="episodes is 1"):
        check_transfer(guide, Source, Source, **{**FEW, "episodes": 1})
    verdict = check_transfer(guide, Source, Source, view=View.keep(["position"]), limit=25.0, **FEW)
    assert "the guide observes" in verdict.text


def test_the_command_names_both(guide):
    with pytest.raises(HandrailError, match="give --source and --target"):
        check_pair(guide, None, source=f"{HOME}:Source")
    with pytest.raises(HandrailError, match="or --task alone"):
        check_pair(guide, "navigation-static", source=f"{HOME}:Source", target=f"{HOME}:Source")
    with pytest.raises(HandrailError, match=r"--cost-fn 'here:nothing'|cannot import"):
        check_pair(
            guide, None, source=f"{HOME}:Source", target=f"{HOME}:Source", cost_fn="here:nothing"
        )
