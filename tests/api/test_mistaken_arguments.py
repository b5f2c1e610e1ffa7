"""What users get wrong in calls from Python is one error with name, value and what was expected."""

import gymnasium
import jax
import jaxtyping
import numpy as np
import pytest

import handrail
from handrail.cli.changed import changes_of
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.bonus import with_bonus
from handrail.envs.gymnasium.host import GymnasiumHost
from tests.envs.toys import Walker

NOTHING = handrail.Intervention(handrail.Never(), handrail.Proposed())


@pytest.fixture(autouse=True)
def without_annotations():
    """Users have no checker that looks at annotations, which the tests have."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def costs(obs, action, next_obs, info):
    return {"a": 0.0, "b": 0.0}


def host(**options):
    return GymnasiumHost(Walker(), costs, **options)


def guarded(intervention=NOTHING, **options):
    return handrail.SafeExploration(Walker(), intervention, **options)


def sac(folder, target=Walker, guide=None, **options):
    method = "sac-lagrangian" if guide is None else "budget-switch"
    return handrail.train_student(
        target, guide, folder, method=method, **{"limit": 1.0, "episode_length": 9, **options}
    )


def broken():
    return 1 / 0


def rewarded(bonus):
    host = with_bonus(GymnasiumHost(Walker(), lambda *_: 0.0), bonus)
    host.reset(key=jax.random.key(0))
    return host.step(np.zeros(1, np.float32), key=jax.random.key(0))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda at: host(limits=5.0), "limits is 5.0; expected the limit of each named cost"),
        (lambda at: host(limits="ab"), "limits is 'ab'; expected the limit of each"),
        (lambda at: host(limits={"a": True, "b": 1}), "limit of 'a' is True; expected a positive"),
        (lambda at: host(parts=5), r"parts is 5; expected a list of the names of parts"),
        (lambda at: host(parts="abc"), r"parts is 'abc'; expected a list of the names of parts"),
        (lambda at: host(episode_length="x"), "episode_length is 'x': expected int, at least 1"),
        (lambda at: host(episode_length=1.5), "episode_length is 1.5: expected int, at least 1"),
        (lambda at: host(episode_length=float("nan")), "episode_length is nan: expected int"),
        (lambda at: sac(at, None), "environment is None; expected the id of a registered"),
        (lambda at: sac(at, 5), "environment is 5; expected the id of a registered environment"),
        (lambda at: sac(at, broken), r"broken\(\) raised 'division by zero' \(ZeroDivisionError"),
        (lambda at: sac(at, costs), r"costs\(\) raised .* expected a function or class that needs"),
        (lambda at: sac(at, guide=5), "guide is 5: expected a path"),
        (lambda at: sac(at, limit=[5]), r"limit is \[5\]: expected float, at least 0"),
        (lambda at: sac(at, limit="5"), "limit is '5': expected float, at least 0"),
        (lambda at: sac(at, limit=True), "limit is True: expected float, at least 0"),
        (lambda at: sac(at, threshold=5.0), "threshold is 5, but under 'sac-lagrangian'"),
        (lambda at: sac(at, distil=True), "distil is True, .* no guide to distil from: leave it"),
        (lambda at: sac(at, view=len), "view is given, but under 'sac-lagrangian' there is no gui"),
        (lambda at: sac(at, source_price=1.0), "source_price is 1, but under 'sac-lagrangian'"),
        (
            lambda at: handrail.train_student(Walker, 5, at, limit=5.0, source_price=1.0),
            "source_price is 1, but source_data is false, .* set source_data to true",
        ),
        (
            lambda at: handrail.train_guide(Walker, at, limit=1.0, unsafe_start={"at": 1}),
            "unsafe_start is given, but rescue_share is 0",
        ),
        (lambda at: sac(at, info_columns=5), "info_columns is 5; expected names of numbers"),
        (lambda at: changes_of(["delay=1000000"]), "delay is 1000000: expected from 0 to 1000"),
        (lambda at: handrail.try_guide(Walker, 5), "guide is 5: expected a path"),
        (lambda at: handrail.train_prior("CartPole-v1", at), "'CartPole-v1': expected a list of"),
        (lambda at: handrail.train_prior(Walker, at), "a type: expected a list of at least 2"),
        (lambda at: rewarded(5), "bonus=5 names no part"),
        (lambda at: rewarded(lambda o, a, n: n), r"bonus is array\(.*; expected a finite number"),
        (lambda at: rewarded(lambda o: 0.0), "bonus raised TypeError: .*positional argument"),
        (lambda at: guarded(None), "intervention is None: expected WHEN × WHAT"),
        (lambda at: guarded(handrail.Intervention), "intervention is a .*: expected WHEN × WHAT"),
        (lambda at: guarded(seed=None), "seed is None: expected int"),
        (lambda at: guarded(total_steps=0), "total_steps is 0: expected at least 1"),
        (
            lambda at: handrail.SafeExploration.with_guide(Walker(), 5),
            "guide is 5: expected a path",
        ),
        (lambda at: handrail.shield(5, handrail.Proposed()), "the predicate is 5; expected a func"),
        (lambda at: handrail.Policy(5), "policy that acts instead is 5; expected a function"),
        (lambda at: handrail.shield(costs, costs), "WHAT acts instead is a function; expected a"),
        (lambda at: handrail.Intervention(costs, costs), "WHEN to step in is a function; expected"),
        (lambda at: handrail.check_environment("A-v1"), "environment is 'A-v1'; expected a func"),
        (lambda at: handrail.check_environment(Walker()), "expected a function that builds it"),
        (lambda at: handrail.check_environment(Walker, steps="a"), "steps is 'a': expected int"),
    ],
)
def test_mistakes_are_named(tmp_path, call, said):
    with pytest.raises(HandrailError, match=said):
        call(tmp_path)


def test_numbers_of_numpy_are_limits():
    assert host(limits={"a": np.float32(1), "b": np.int64(2)}).limits == {"a": 1.0, "b": 2.0}


def test_an_error_of_our_own_in_a_users_function_stays_as_it_is(tmp_path):
    def builds():
        return handrail.SafeExploration(gymnasium.make("CartPole-v1"), NOTHING, parts=["x"])

    with pytest.raises(HandrailError, match=r"^CartPole-v1: parts="):
        sac(tmp_path, builds)
