"""Host environments side by side: each is what it is by itself."""

import jax
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.base import BoxActions
from handrail.envs.host import AbstractHostEnvironment, HostTimestep, seed_of
from handrail.envs.host_copies import HostCopies
from handrail.envs.host_wrappers import HostRewarded, HostZeroFilled, rewarded


class Drifting(AbstractHostEnvironment):
    """Goes where its action says, and a bit further at random in each step."""

    def __init__(self, size=2, constraints=()):
        self.actions, self.constraints = BoxActions(size), constraints
        self.at = np.zeros(size, np.float32)

    def reset(self, *, key):
        draws = np.random.default_rng(seed_of(key))
        self.at = draws.normal(size=self.at.shape).astype(np.float32)
        return {"at": self.at.copy()}

    def step(self, action, *, key):
        draws = np.random.default_rng(seed_of(key))
        self.at = self.at + action + draws.normal(size=self.at.shape).astype(np.float32)
        return HostTimestep(
            {"at": self.at.copy()}, np.float32(self.at[0]), np.float32(self.at[1] > 0),
            np.bool_(False), np.bool_(self.at[0] > 2),
        )  # fmt: skip

    def snapshot(self):
        return {"at": self.at.copy()}

    def restore(self, snapshot):
        self.at = snapshot["at"].copy()
        return {"at": self.at.copy()}


class Steady(Drifting):
    """Its steps draw nothing, and the key does not matter."""

    steps_draw = False

    def step(self, action, *, key):
        return super().step(action, key=jax.random.key(1))


KEYS = jax.random.split(jax.random.key(0), (6, 3))
ALL = np.ones(3, np.bool_)


@pytest.mark.parametrize("make", [Drifting, Steady])
def test_each_copy_is_what_it_is_by_itself(make):
    copies, singles = HostCopies([make() for _ in range(3)]), [make() for _ in range(3)]
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2)).astype(np.float32)
    observed = copies.reset(ALL, keys=KEYS[0])
    alone = [single.reset(key=key) for single, key in zip(singles, KEYS[0], strict=True)]
    np.testing.assert_array_equal(observed["at"], [own["at"] for own in alone])
    assert len(set(observed["at"][:, 0].tolist())) == 3
    for wave, taken in enumerate(actions):
        timestep = copies.step(taken, keys=KEYS[wave + 1])
        for copy, single in enumerate(singles):
            expected = single.step(taken[copy], key=KEYS[wave + 1, copy])
            for name in ("reward", "cost", "terminated", "truncated"):
                assert getattr(timestep, name)[copy] == getattr(expected, name)
            np.testing.assert_array_equal(timestep.observation["at"][copy], singles[copy].at)


def test_only_those_named_are_reset():
    copies = HostCopies([Drifting() for _ in range(3)])
    before = copies.reset(ALL, keys=KEYS[0])["at"]
    after = copies.reset(np.array([False, True, False]), keys=KEYS[1])["at"]
    np.testing.assert_array_equal((before == after).all(axis=1), [True, False, True])


def test_a_snapshot_brings_every_copy_back():
    copies, others = (HostCopies([Drifting() for _ in range(12)]) for _ in range(2))
    keys = jax.random.split(jax.random.key(3), 12)
    copies.reset(np.ones(12, np.bool_), keys=keys)
    here = copies.step(np.zeros((12, 2), np.float32), keys=keys).observation["at"]
    saved = copies.snapshot()
    copies.step(np.ones((12, 2), np.float32), keys=keys)
    np.testing.assert_array_equal(others.restore(saved)["at"], here)
    assert others.snapshot().keys() == saved.keys()


def test_none_is_saved_where_one_cannot_be():
    unsaved = Drifting()
    unsaved.snapshot = lambda: None
    assert HostCopies([Drifting(), unsaved]).snapshot() is None


def test_whether_steps_draw_is_passed_on():
    def says(make):
        single, several = make(), HostCopies([make(), make()])
        again = (HostRewarded(single, lambda *_: 0.0), HostZeroFilled(single, {"at": (2,)}))
        return {one.steps_draw for one in (several, *again, rewarded(several, lambda *_: 0.0))}

    assert says(Drifting) == {True}
    assert says(Steady) == {False}
    assert HostCopies([Steady(), Drifting()]).steps_draw


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ([], "no environments"),
        ([Drifting(), Drifting(size=3)], "environment 1"),
        ([Drifting(), Drifting(), Drifting(constraints=("a", "b"))], "environment 2"),
    ],
)
def test_environments_of_other_kinds_are_refused(hosts, said):
    with pytest.raises(HandrailError, match=said):
        HostCopies(hosts)
