"""Risks whose answer is known, learnt by the real updates; and a student that learns one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.api.students import train_student
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.core.types import Context
from handrail.interventions.learnt_risk import FirstSafe, RiskExceeds, SafeSample
from handrail.learners.risk.base import RiskSnapshot
from handrail.learners.risk.conservative import ConservativeRisk
from handrail.learners.risk.recovery import RecoveryRisk
from handrail.learners.sac.networks import OnVectors
from handrail.networks.gaussian import GaussianPolicy
from tests.api.test_own_training import FEW
from tests.envs.toys import Walker
from tests.learners.risk.test_risk_recorded import batch

KEY = jax.random.key(5)
POLICY = OnVectors(GaussianPolicy(1, 1, (8,), key=KEY))
SEEN = jnp.zeros(1)
N = 256
ACTIONS = jax.random.uniform(KEY, (N, 1), minval=-1, maxval=1)
HARM = batch(  # an action to the right does harm and ends it all, one to the left ends it safely
    jnp.zeros((N, 1)), ACTIONS, (ACTIONS[:, 0] > 0).astype(jnp.float32), jnp.zeros((N, 1)),
    jnp.ones(N, bool),
)  # fmt: skip


def trained(learner, times=400):
    @eqx.filter_jit
    def run(state):
        def one(state, key):
            return learner.update(state, HARM, POLICY, key=key)[0], None

        return jax.lax.scan(one, state, jax.random.split(KEY, times))[0]

    return run(learner.init(1, 1, key=KEY))


@pytest.fixture(scope="module")
def recovery():
    learner = RecoveryRisk((16,), discount=0.5, learning_rate=1e-2)
    return RiskSnapshot(POLICY, learner, trained(learner))


def context(action, snapshot):
    zero = jnp.int32(0)
    extras = {"pre_squash": jnp.arctanh(jnp.array([action]))}
    return Context(
        SEEN, jnp.array([action]), extras, zero, zero, zero, jnp.float32(0), jnp.float32(0),
        snapshot,
    )  # fmt: skip


def test_the_risk_of_an_action_is_learnt_and_a_way_out(recovery):
    assert recovery.risk(SEEN, jnp.array([0.7])) > 0.9
    assert recovery.risk(SEEN, jnp.array([-0.7])) < 0.1
    assert recovery.recover(SEEN, key=KEY) < -0.2


@pytest.mark.parametrize(("action", "fires"), [(0.7, True), (-0.7, False)])
def test_the_learners_own_risk_says_when(recovery, action, fires):
    verdict = RiskExceeds(0.5)(context(action, recovery), (), key=KEY)
    assert bool(verdict.fires) == fires and verdict.evidence["risk"].shape == ()


@pytest.mark.parametrize("what", [FirstSafe(0.5), SafeSample(0.5)])
def test_a_safe_action_of_the_policy_is_found(recovery, what):
    found = [what(context(0.7, recovery), key=key) for key in jax.random.split(KEY, 5)]
    actions = np.array([substitution.action[0] for substitution in found])
    assert (actions < 0.1).all() and len(set(actions.tolist())) == 5
    assert np.allclose(np.tanh([s.extras["pre_squash"][0] for s in found]), actions)


def test_without_conservatism_the_risk_is_learnt_and_with_it_nothing_seems_safer():
    plain, wary = (
        ConservativeRisk((16,), learning_rate=1e-2, conservatism=alpha, samples=16)
        for alpha in (0.0, 5.0)
    )
    states = trained(plain), trained(wary)
    harmful, safe = jnp.array([0.7]), jnp.array([-0.7])
    assert plain.risk(states[0], SEEN, harmful) > 0.8
    assert plain.risk(states[0], SEEN, safe) < 0.2
    assert wary.risk(states[1], SEEN, harmful) > 0.8
    with pytest.raises(HandrailError, match="FirstSafe"):
        plain.recover(states[0], SEEN, key=KEY)


def test_outside_of_training_nobody_knows_the_risk():
    with pytest.raises(HandrailError, match="take a guide"):
        RiskExceeds(0.5)(context(0.7, None), (), key=KEY)


@pytest.mark.parametrize("limit", [0.0, 1.0, 25.0])
def test_a_risk_is_a_probability(limit):
    with pytest.raises(HandrailError, match="between them"):
        RiskExceeds(limit)


@pytest.mark.parametrize("method", ["recovery-rl", "csc"])
def test_a_student_learns_it_in_an_environment_of_ones_own(tmp_path, method):
    train_student(
        Walker, None, tmp_path, method=method, limit=2.0, stored={"action": "proposed"},
        risk={"limit": 0.4, "samples": 4}, **FEW,
    )  # fmt: skip
    table = read_table(tmp_path / "progress.csv")
    assert np.isfinite(table["evidence/risk"]).all()
    assert table["risk/critic_loss"][-1] > 0
    intervenes = table["evidence/risk"][0] > 0.4  # of a chunk in which nothing was learnt yet
    assert (table["interventions"][0] > 0) == intervenes == (method == "recovery-rl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "sac-lagrangian", "risk": {"limit": 0.4}}, "no risk is learnt"),
        ({"method": "sqrl", "risk": {"limit": 25.0}}, "risk.limit is 25"),
    ],
)
def test_a_risk_that_is_not_learnt_or_no_risk_is_refused(tmp_path, changes, message):
    with pytest.raises(HandrailError, match=message):
        train_student(Walker, None, tmp_path, limit=2.0, **FEW, **changes)
