"""Evaluation side by side gives what `evaluate_on_host` gives, episode by episode."""

import jax
import numpy as np
import pytest

from handrail.envs.host_copies import HostCopies
from handrail.learners.sac.networks import OnVectors
from handrail.networks.gaussian import GaussianPolicy
from handrail.train.evaluate import evaluate_on_host, sampled
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import Toy

KEY = jax.random.key(5)


def policy():
    return OnVectors(GaussianPolicy(5, 2, (4,), key=jax.random.key(9)))


@pytest.mark.parametrize("longest", [None, 6])
@pytest.mark.parametrize(("copies", "episodes"), [(1, 3), (2, 5), (3, 2)])
def test_the_same_episodes(copies, episodes, longest):
    asked = {"episodes": episodes, "longest": longest, "key": KEY}
    one = evaluate_on_host(OnHost(Toy(True)), sampled(policy()), **asked)
    together = HostCopies([OnHost(Toy(True)) for _ in range(copies)])
    other = evaluate_on_host(together, sampled(policy()), **asked)
    for name in ("returns", "costs", "lengths"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert len(set(one.returns.tolist())) == episodes


def test_who_ends_first_waits_without_being_counted():
    together = HostCopies([OnHost(Toy(True, length)) for length in (2, 9)])
    done = evaluate_on_host(together, sampled(policy()), episodes=5, key=KEY)
    assert done.lengths.tolist() == [2, 9, 2, 9, 2]
    assert done.costs.tolist() == [0, 2, 0, 2, 0]
