"""Episodes that begin in danger, where the environment knows how."""

import jax
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.gymnasium.unsafe_starts import with_unsafe_starts
from tests.envs.toys import Walker
from tests.experiments.own_walker import Near

KEYS = jax.random.split(jax.random.key(0), 40)


def begun(host):
    return [float(host.reset(key=key)[0]) for key in KEYS]


def test_a_share_of_the_episodes_begins_in_danger():
    usual, mixed = (
        begun(GymnasiumHost(Near())),
        begun(with_unsafe_starts(GymnasiumHost(Near()), 0.5)),
    )
    unsafe = [at > 0.8 for at in mixed]
    assert 10 < sum(unsafe) < 30
    assert all(now == before or now > 0.8 for now, before in zip(mixed, usual, strict=True))
    assert max(usual) < 0.4


def test_a_function_gives_the_options_of_an_episode():
    seen = []
    host = with_unsafe_starts(
        GymnasiumHost(Near()), 1.0, lambda seed: seen.append(seed) or {"start": "unsafe"}
    )
    assert min(begun(host)) > 0.8 and len(set(seen)) == len(KEYS)


def test_an_environment_that_does_not_read_them_is_refused():
    host = with_unsafe_starts(GymnasiumHost(Walker()), 1.0)
    with pytest.raises(HandrailError, match="begins as without options"):
        host.reset(key=KEYS[0])


def test_no_share_is_the_environment_itself():
    host = GymnasiumHost(Walker())
    assert with_unsafe_starts(host, 0.0) is host
