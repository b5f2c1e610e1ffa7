"""A shield of the user's inside the learner for continuous actions, with and without a guide."""

import functools
import json

import jax.numpy as jnp
import numpy as np
import pytest

from handrail.api.guides import train_guide
from handrail.api.students import train_student
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy
from handrail.safe_exploration import SafeExploration
from tests.api.test_own_training import FEW, moved
from tests.api.test_own_vector import Env, beside, tables
from tests.envs.toys import Walker

pytestmark = pytest.mark.optimized  # byte for byte
ALONE = {**FEW, "limit": 2.0, "method": "sac-lagrangian"}


def hold(observation, key):
    return jnp.clip((-10 * observation[:1] - 1) / 3, -1, 1), {}  # back to 0, as far as it goes


def beyond(at):
    """A shield that holds the walker back from `at` on."""
    return shield(lambda context: jnp.abs(context.observation[0]) > at, Policy(hold))


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    return train_guide(Walker, tmp_path_factory.mktemp("guide"), bonus=moved, limit=1.0, **FEW)


def test_what_the_shield_says_is_executed(tmp_path):
    executed = []

    class Watched(Walker):
        def step(self, action):
            executed.append((self.at, float(action[0])))
            return Walker.step(self, action)

    summary = train_student(Watched, None, tmp_path, intervention=beyond(-1.0), **ALONE)
    assert summary["intervention_rate"] == summary["shield_rate"] == 1.0
    at, actions = np.array(executed[:40]).T  # before the first test of the student alone
    np.testing.assert_allclose(actions, np.clip(-10 * at, -2, 4), atol=1e-5)


def test_a_shield_keeps_the_student_where_it_may_be(tmp_path):
    summary = train_student(Walker, None, tmp_path / "a", intervention=beyond(0.05), **ALONE)
    alone = train_student(Walker, None, tmp_path / "b", **ALONE)
    assert summary["violations"] == 0 < alone["violations"]
    assert 0 < summary["shield_rate"] == summary["intervention_rate"] < 1
    assert "shield_rate" not in alone
    assert "evidence/shield_predicate" in read_table(tmp_path / "a" / "progress.csv")


def test_it_has_the_last_word_over_a_guide(guide, tmp_path):
    given = {**FEW, "limit": 2.0, "guide_interval_share": 1.0}  # the guide acts at every step
    summary = train_student(Walker, guide, tmp_path / "a", intervention=beyond(0.05), **given)
    assert summary["intervention_rate"] == 1.0
    assert 0 < summary["shield_rate"] < 1
    assert summary["violations"] == 0


def test_one_that_never_fires_changes_nothing(guide, tmp_path):
    given = {**FEW, "limit": 2.0}
    plain = train_student(Walker, guide, tmp_path / "a", **given)
    shielded = train_student(Walker, guide, tmp_path / "b", intervention=beyond(9.0), **given)
    assert shielded["takeover_cost"] == plain["takeover_cost"] > 0
    one, other = (tables(tmp_path / name) for name in "ab")
    del one["progress.csv"], other["progress.csv"]  # which has a column more
    assert one == other


def test_a_run_is_known_by_its_shield(tmp_path):
    run = functools.partial(train_student, Walker, None, tmp_path, **ALONE)
    first = run(intervention=beyond(0.05))
    assert run(intervention=beyond(0.05)) == first
    for other in (beyond(0.3), None):
        with pytest.raises(HandrailError, match=r"other settings.*passed\.intervention"):
            run(intervention=other)
    plain = tmp_path / "plain"
    train_student(Walker, None, plain, **ALONE)
    assert "intervention" not in json.loads((plain / "run.json").read_text())["passed"]


def test_several_side_by_side_have_it_each(tmp_path):
    summary = train_student(beside(*[Env] * 4), None, tmp_path, intervention=beyond(0.05), **ALONE)
    assert summary["violations"] == 0 < summary["shield_rate"]


def test_what_is_refused(tmp_path):
    def guarded():
        return SafeExploration(Walker(), beyond(0.05))

    with pytest.raises(HandrailError, match=r"guarded by a SafeExploration.*intervention=\.\.\."):
        train_student(guarded, None, tmp_path, **ALONE)
