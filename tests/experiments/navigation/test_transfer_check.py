"""A good guide passes the check of its transfer; every way of breaking the transfer is found."""

import dataclasses
import functools
import json
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from handrail.core.errors import HandrailError
from handrail.core.strict_json import plain_json
from handrail.envs.navigation.compiled import CompiledNavigation
from handrail.envs.navigation.tasks import navigation_task
from handrail.envs.transfer import AbstractView, TransferProblem, View
from handrail.transfer_check.measurement import (
    costs_to_go,
    guided,
    measure,
    takeover_steps,
)
from handrail.transfer_check.neighbours import PerEpisode
from handrail.transfer_check.rollouts import Visits
from handrail.transfer_check.verdict import judge
from tests.experiments.navigation.by_hand import ByHand

TARGET = navigation_task("navigation-static")
LENGTH, EPISODES = 1000, 80
LIMIT, OWN_LIMIT = 20.0, 5.0  # cost an episode


def flee(observation, key):
    """Backs away from a near hazard along its own axis, turning until it can; else brakes."""
    lidar = observation["hazards_lidar"]
    bearing = jnp.argmax(lidar) * (2 * jnp.pi / lidar.shape[0])
    near = jnp.max(lidar) > 0.6
    push = jnp.where(near, -jnp.sign(jnp.cos(bearing)), -observation["velocimeter"][0])
    turn = jnp.where(near, -0.3 * jnp.sin(2 * bearing), 0.0)
    return jnp.stack([push, turn])


def predict(observation, action):
    """More the nearer the hazard is (its edge reads 0.77)."""
    return 20.0 * jnp.maximum(jnp.max(observation["hazards_lidar"]) - 0.7, 0.0)


class Tampered(AbstractView):
    """A view whose hazard lidar lies; by arrays, so that one compilation serves all lies."""

    inner: AbstractView
    turn: Array
    scale: Array

    def __call__(self, observation):
        seen = self.inner(observation)
        if not eqx.is_array(seen["hazards_lidar"]):
            return seen  # shapes, of which nothing changes
        lidar = self.scale * jnp.roll(seen["hazards_lidar"], self.turn)
        return {**seen, "hazards_lidar": lidar}

    def completed(self, source, target):
        raise AssertionError("nobody learns here")


LIES = {"turned lidar": (8, 1.0), "blind lidar": (0, 0.0)}


@functools.cache
def verdict(name: str):
    task = TARGET
    if name == "larger hazards":
        task = dataclasses.replace(task, hazards=dataclasses.replace(task.hazards, size=1.0))
    turn, scale = LIES.get(name, (0, 1.0))
    view = Tampered(View.keep(TARGET.source.parts), jnp.array(turn), jnp.array(scale))
    source = CompiledNavigation(TARGET.source, episode_length=LENGTH)
    target = CompiledNavigation(task, episode_length=LENGTH)
    problem = TransferProblem(source, target, view, name)
    guides = ByHand(flee, predict).of(problem)
    measured = measure(problem, guides, episodes=EPISODES, limit=LIMIT, key=jax.random.key(3))
    return measured, judge(measured, own_limit=OWN_LIMIT, limit=LIMIT)


def test_an_intact_transfer_of_a_good_guide_passes():
    measured, found = verdict("intact")
    assert found.trusted, found.text
    assert measured.target.costly_states > 100  # it was put to the test
    assert measured.telling == ("hazards_lidar",)
    assert "may be trusted" in found.text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("turned lidar", "what follows costs at least"),
        ("blind lidar", "look like free others|look like .*that cost nothing"),
        ("larger hazards", "look like states of the source that cost nothing"),
    ],
)
def test_a_broken_transfer_is_found(name, reason):
    _, found = verdict(name)
    assert not found.trusted
    assert found.text.startswith("The guide is not shown to be safe, because")
    assert re.search(reason, found.text), found.text


def test_a_guide_for_a_higher_limit_is_not_trusted():
    measured, _ = verdict("intact")
    found = judge(measured, own_limit=LIMIT + 1, limit=LIMIT)
    assert found.reasons == [
        "it was trained to cost up to 21 an episode, more than the limit of 20"
    ]


def test_few_episodes_never_look_safe():
    """One costly episode among four: the mean is within the limit, its interval is not."""
    measured, _ = verdict("intact")
    target = dataclasses.replace(measured.target, own_costs=np.array([0.0, 0.0, 0.0, 60.0]))
    found = judge(dataclasses.replace(measured, target=target), own_limit=1.0, limit=LIMIT)
    assert any("may be as high as" in reason for reason in found.reasons)


def test_a_target_where_nothing_costs_proves_nothing():
    measured, _ = verdict("intact")
    nothing = dataclasses.replace(
        measured.costs["within"], missed=PerEpisode(np.zeros(9), np.zeros(9))
    )
    costs = {**measured.costs, "within": nothing}
    found = judge(dataclasses.replace(measured, costs=costs), own_limit=1.0, limit=LIMIT)
    assert any("too few costly states of the target have" in reason for reason in found.reasons)


def test_a_critic_that_falls_short_only_in_the_target_is_found():
    measured, _ = verdict("intact")
    predicted = measured.target.predicted
    low = dataclasses.replace(predicted, sums=predicted.sums - 5.0 * predicted.counts)
    target = dataclasses.replace(measured.target, predicted=low)
    found = judge(dataclasses.replace(measured, target=target), own_limit=1.0, limit=LIMIT)
    assert any("cost critic falls short" in reason for reason in found.reasons)


def test_raw_numbers_are_json():
    measured, _ = verdict("intact")
    raw = plain_json(measured)
    assert json.loads(json.dumps(raw, allow_nan=False)) == raw
    assert len(raw["target"]["own_costs"]) == EPISODES


def test_too_few_episodes_are_refused():
    problem = TransferProblem(
        CompiledNavigation(TARGET.source), CompiledNavigation(TARGET),
        View.keep(TARGET.source.parts),
    )  # fmt: skip
    with pytest.raises(HandrailError, match="episodes is 1: expected at least 2"):
        measure(problem, {}, episodes=1, limit=1.0, key=jax.random.key(0))


def episodes(costs, lengths, terminated, handed_over) -> Visits:
    costs = np.asarray(costs, np.float32)
    running = np.arange(costs.shape[1]) < np.asarray(lengths)[:, None]
    return Visits(
        np.zeros((*costs.shape, 1), np.float32), costs, np.zeros_like(costs), np.zeros_like(costs),
        running,
        np.asarray(terminated), np.asarray(handed_over),
    )  # fmt: skip


def test_costs_to_go_are_discounted_sums_within_the_episode():
    visits = episodes([[1, 0, 1, 9], [0, 1, 1, 1]], [3, 4], [True, False], [0, 0])
    naive = [
        [sum(0.5 ** (u - t) * row[u] for u in range(t, length)) for t in range(4)]
        for row, length in (([1, 0, 1, 9], 3), ([0, 1, 1, 1], 4))
    ]
    np.testing.assert_allclose(costs_to_go(visits, 0.5), naive)


def test_states_count_only_where_the_guide_acts_to_the_end():
    ones = np.ones((3, 20))
    visits = episodes(ones, [8, 20, 20], [True, False, False], [0, 0, 5])
    counted = guided(visits, 0.5)  # 0.5⁵ < 5 %: the last five steps before a time limit are out
    expected = np.zeros((3, 20), bool)
    expected[0, :8] = expected[1, :15] = expected[2, 5:15] = True
    assert (counted == expected).all()
    assert (guided(visits, 0.99)[1] == (np.arange(20) < 10)).all()  # at most half is left out


def test_hand_overs_follow_the_episodes_of_the_guide_alone():
    assert takeover_steps(2, 1000).tolist() == [0, 0, 50, 166, 283, 400]
