"""Several named costs as one: what is promised of it, and what is refused."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.costs import Costs
from handrail.envs.gymnasium.host import GymnasiumHost
from tests.envs.test_gymnasium_host import steps
from tests.envs.toys import Walker

LIMITS = st.dictionaries(st.sampled_from("abc"), st.floats(0.1, 100), min_size=1)


@given(LIMITS, st.data())
def test_within_the_combined_limit_every_limit_is_kept(limits, data):
    costs = Costs(limits=limits)
    episode = data.draw(
        st.lists(st.fixed_dictionaries({name: st.floats(0, 10) for name in limits}), min_size=1)
    )
    combined = sum(costs.combined(step) for step in episode)
    for name, limit in limits.items():
        assert sum(step[name] for step in episode) / limit <= combined / costs.limit * (1 + 1e-9)


def test_one_named_cost_stays_what_it_is():
    costs = Costs(limits={"a": 25})
    assert costs.combined({"a": 3.0}) == 3.0 and costs.limit == 25
    assert costs.each({"a": 3.0}) is None and costs.apart == {}


def test_several_are_kept_apart_in_the_order_of_their_names():
    costs = Costs(limits={"b": 2.0, "a": 25})
    assert tuple(costs.apart) == ("a", "b")
    assert costs.each({"b": 1.0, "a": 7.0}).tolist() == [7.0, 1.0]


def test_through_the_host():
    def cost(obs, action, next_obs, info):
        return {"edge": float(abs(next_obs[0])), "effort": 2.0}

    host = GymnasiumHost(Walker(), cost, limits={"edge": 1.0, "effort": 4.0})
    assert host.limit == 1.0
    timestep = steps(host, 2)[-1]
    assert timestep.cost == np.float32(max(host.costs["edge"], 0.5))
    assert host.limits == {"edge": 1.0, "effort": 4.0} and host.constraints == ("edge", "effort")
    np.testing.assert_array_equal(timestep.constraints, np.float32([host.costs["edge"], 2.0]))


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_limits_that_are_no_positive_numbers(limit):
    with pytest.raises(HandrailError, match=r"limit of 'a' is .*; expected a positive number"):
        GymnasiumHost(Walker(), limits={"a": limit})


@pytest.mark.parametrize("name", ["", "a\n"])
def test_names_that_are_no_columns(name):
    with pytest.raises(HandrailError, match=r"limits has the name .*; expected a word"):
        GymnasiumHost(Walker(), limits={name: 1.0, "b": 1.0})


def test_limits_that_do_not_fit():
    with pytest.raises(HandrailError, match="limits is empty"):
        GymnasiumHost(Walker(), limits={})
    host = GymnasiumHost(Walker(), limits={"edge": 1.0})
    with pytest.raises(HandrailError, match="has the costs cost, but limits are given for edge"):
        steps(host, 1)
    with pytest.raises(HandrailError, match="cost 'a' is -1"):
        steps(GymnasiumHost(Walker(), lambda *_: {"a": -1.0}, limits={"a": 1.0}), 1)
