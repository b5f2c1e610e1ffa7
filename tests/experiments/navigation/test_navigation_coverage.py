"""What a guide covers: cells and entropies by hand, rollouts against what must hold of them."""

import dataclasses
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int

from handrail.core.errors import HandrailError
from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions
from handrail.envs.navigation.problems import compiled_problem
from handrail.envs.transfer import SameView, TransferProblem
from handrail.experiments.plan import plan
from handrail.experiments.schema import read
from handrail.learners.sac.networks import OnVectors
from handrail.networks.gaussian import GaussianPolicy
from handrail.report import coverage_figures
from handrail.report.experiment import write_report
from handrail.report.finished import Finished
from handrail.tasks.navigation import coverage
from handrail.tasks.navigation.coverage import (
    CELLS,
    Coverage,
    counted,
    cover,
    free_cells,
    occupancy_entropy,
    roll_out,
)
from tests.experiments.navigation.toy import use_toy, write_guide

EXTENT, RADIUS, LENGTH = 1.5, 0.7, 12  # those of the task Static, and short episodes


class Body(eqx.Module):
    position: Float[Array, "2"]


class PlaneState(eqx.Module):
    body: Body
    hazards: Float[Array, "1 2"]
    steps: Int[Array, ""]


class Plane(AbstractEnvironment):
    """A point among hazards that compiles in a moment, with the attributes of the real state."""

    episode_length: int = eqx.field(static=True, default=LENGTH)
    actions: ActionSpace = BoxActions(2)

    def reset(self, *, key):
        place = jax.random.uniform(key, (2,), minval=-EXTENT, maxval=EXTENT)
        return PlaneState(Body(place), jnp.zeros((1, 2)), jnp.int32(0)), {"place": place}

    def step(self, state, action, *, key):
        place = state.body.position + 0.3 * action
        after = PlaneState(Body(place), state.hazards, state.steps + 1)
        return after, Timestep(
            observation={"place": place},
            reward=jnp.linalg.norm(place - state.body.position),
            cost=(jnp.linalg.norm(place) <= RADIUS).astype(jnp.float32),
            terminated=jnp.max(jnp.abs(place)) > EXTENT,
            truncated=after.steps >= self.episode_length,
        )


def test_steps_are_counted_by_episode_row_and_column():
    edge = 2.0 / CELLS
    places = np.array([[[-1.0, -1.0], [-1.0 + 1.5 * edge, -1.0], [0.99, 0.99], [1.2, 0.0]]] * 2)
    alive = np.array([[True] * 4, [True, False, False, False]])
    counts = counted(places, alive, 1.0)
    assert counts.shape == (2, CELLS, CELLS)
    assert (counts[0, 0, 0], counts[0, 0, 1], counts[0, -1, -1]) == (1, 1, 1)  # [y, x]
    assert counts[0].sum() == 3  # the fourth lies outside
    assert counts[1].sum() == 1  # the rest came after the end


def test_a_cell_is_free_where_its_centre_is_in_no_hazard():
    free = free_cells(np.array([[[0.0, 0.0]], [[1.0, -1.0]]]), 0.7, 1.5)
    assert free.shape == (2, CELLS, CELLS)
    area = (~free[0]).sum() * (3.0 / CELLS) ** 2
    assert area == pytest.approx(np.pi * 0.7**2, rel=0.05)
    y, x = np.argwhere(~free[1]).mean(axis=0)
    assert x > CELLS / 2 > y


def test_entropy_is_a_share_of_the_uniform_one():
    assert occupancy_entropy(np.ones((CELLS, CELLS))) == pytest.approx(1.0)
    single = np.zeros((CELLS, CELLS))
    single[3, 4] = 7
    assert occupancy_entropy(single) == 0.0
    single[5, 6] = 7  # two cells, equally long: log 2
    assert occupancy_entropy(single) == pytest.approx(np.log(2) / np.log(CELLS**2))


def test_a_rollout_earns_the_distances_between_its_places():
    policy = OnVectors(GaussianPolicy(2, 2, (4,), key=jax.random.key(3)))
    places, alive, hazards, rewards, costs = map(
        np.asarray, roll_out(Plane(), policy, episodes=40, key=jax.random.key(0))
    )
    assert places.shape == (40, LENGTH, 2) and hazards.shape == (40, 1, 2)
    assert alive[:, 0].all() and (np.diff(alive.astype(int), axis=1) <= 0).all()
    outside = np.abs(places[:, :-1]).max(axis=-1) > EXTENT
    assert (alive[:, 1:] == (alive[:, :-1] & ~outside)).all() and outside.any()
    moved = np.linalg.norm(np.diff(places, axis=1), axis=-1)
    np.testing.assert_allclose(rewards[:, 1:][alive[:, 1:]], moved[alive[:, 1:]], atol=1e-6)
    inside = np.linalg.norm(places, axis=-1) <= RADIUS
    np.testing.assert_array_equal(costs[alive] > 0, inside[alive])


def test_cover_sums_up_what_the_guide_did(tmp_path, monkeypatch):
    problem = TransferProblem(Plane(), Plane(), SameView())
    seen = {}

    def instead(name, *, source_length=None, rescue=None, **source):
        seen[source_length] = rescue and rescue.share
        return problem

    monkeypatch.setattr(coverage, "compiled_problem", instead)
    use_toy(monkeypatch)  # for its unchecked annotations
    path = write_guide(tmp_path / "guide.safetensors", problem=problem)
    found = cover(_settings(), path, episodes=30, key=jax.random.key(1))
    assert seen == {None: None, 200: 1.0}  # the exit cost alone begins in hazards
    assert 0 < found.length < LENGTH  # some leave
    assert found.visits.sum() == pytest.approx(30 * (found.length - 1), abs=30)
    assert 0 < found.covered_by_episode < found.covered < 1
    assert 0 < found.entropy < 1 and found.cost > 0 and found.exit_cost > 0
    assert found.hazards.tolist() == [[0.0, 0.0]] and found.hazard_size == RADIUS


def _settings():
    [(_, task), *_] = plan(read("sagui-guide"), "quick", None, Path("unused"))
    return task.settings.knowledge["guide"]


def test_the_report_shows_a_map_and_a_row_for_every_guide(tmp_path, monkeypatch):
    def measured(settings, path, *, key):
        assert path == task_folders[settings.bonus] / "guide.safetensors"
        many = 5.0 if settings.bonus == "none" else 9.0
        visits = np.ones((CELLS, CELLS))
        return Coverage(visits, 1.5, np.zeros((1, 2)), 0.7, many, 0, 1000, 20, 0.1, 0.8, 0.9)

    monkeypatch.setattr(coverage_figures, "cover", measured)
    experiment = read("sagui-guide")
    planned = tuple(plan(experiment, "quick", None, tmp_path))
    task_folders = {t.settings.knowledge["guide"].bonus: t.needs[0].folder for _, t in planned}
    finished = Finished(
        experiment=experiment, budget="quick", seeds=(0,), rows=planned, command="…",
        seconds=0.0, machine="…",
    )  # fmt: skip
    page, [table] = write_report(finished, tmp_path / "report")
    assert [row[0] for row in table.rows] == list(experiment.variants)
    assert table.rows[0][1] == 5.0
    assert (tmp_path / "report" / "figure-1.png").read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert "MAXENT" in text and "exit cost" in text and "minigrid" not in text


def test_guides_differ_in_their_bonus_alone():
    planned = plan(read("sagui-guide"), "quick", None, Path("unused"))
    settings = [dataclasses.asdict(task.settings.knowledge["guide"]) for _, task in planned]
    different = {
        name for one in settings for name, value in one.items() if value != settings[0][name]
    }
    assert different == {"bonus"}
    students = plan(read("sagui-static"), "quick", None, Path("unused"))
    theirs = {need.folder for _, task in students for need in task.needs}
    assert theirs & {task.needs[0].folder for _, task in planned}  # trained once for both


def test_a_guide_with_other_actions_is_refused(tmp_path):
    problem = compiled_problem("navigation-static")
    path = write_guide(tmp_path / "guide.safetensors", problem=problem, actions=3)
    with pytest.raises(HandrailError, match="acts with 3 numbers, an action there is 2"):
        cover(_settings(), path, episodes=1, key=jax.random.key(0))
