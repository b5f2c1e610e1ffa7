"""Recorded episodes of navigation: places are the environment's, and evidence what was compared."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import save
from handrail.core.rng import stream
from handrail.envs.navigation.compiled import CompiledNavigation
from handrail.envs.navigation.problems import compiled_problem
from handrail.envs.navigation.tasks import navigation_task
from handrail.interventions.recipes import none
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.methods.sagui.cards import Limits, Networks, card_of
from handrail.methods.sagui.guide_file import save_guide
from handrail.methods.sagui.problem import Interface
from handrail.methods.sagui.settings import SacSettings, StudentRun
from handrail.networks.gaussian import GaussianPolicy
from handrail.tasks.navigation.episode import played, record_students
from handrail.tasks.navigation.problems import interface_in
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.recording import columns_of

LEARNING = SacSettings(hidden=(4,))
KEYS = jax.random.split(jax.random.key(5), 2)


def a_policy(environment, name):
    where: Interface = interface_in(environment, name)
    built = Networks.of(LEARNING)
    shapes = {part: list(shape.shape) for part, shape in where.observation.items()}
    size = sum(int(np.prod(shape)) for shape in shapes.values())
    actor = GaussianPolicy(
        size, 2, built.hidden, inputs=built.reader(shapes), key=jax.random.key(1)
    )
    return where, actor


def test_compiled_places_are_those_of_the_environment():
    environment = CompiledNavigation(navigation_task("navigation-static"), episode_length=12)
    _, actor = a_policy(environment, "navigation-static")
    done, films = played(environment, Drawn(Sampled(OnVectors(actor))), none(), KEYS)
    for number, (key, film) in enumerate(zip(KEYS, films, strict=True)):
        columns = columns_of(done, number, (), lambda seen: {})
        state, _ = environment.reset(key=stream(key, "reset"))
        for step in range(len(columns["reward"]) + 1):
            place = [*state.body.position.tolist(), float(state.body.heading)]
            np.testing.assert_allclose(film["robot"][step], place, atol=1e-5)
            np.testing.assert_allclose(film["goal"][step], state.goal, atol=1e-5)
            if step < len(columns["reward"]):
                action = jnp.asarray(columns["action"][step])
                state, timestep = jax.jit(environment.step)(
                    state, action, key=stream(key, "step", step)
                )
                assert float(timestep.cost) == columns["cost"][step]
        assert film["vases"].size == 0 and film["hazards"].shape == (13, 1, 2)


def test_places_on_mujoco_are_those_of_the_engine():
    pytest.importorskip("mujoco")
    from handrail.envs.navigation.mujoco_host import MujocoHost

    environment = MujocoHost(navigation_task("navigation-semi-dynamic"), episode_length=4)
    _, actor = a_policy(environment, "navigation-semi-dynamic")
    done, films = played(environment, Drawn(Sampled(OnVectors(actor))), none(), KEYS)
    columns = columns_of(done, 1, (), lambda seen: {"hazards_lidar": seen["hazards_lidar"]})
    observation = environment.reset(key=stream(KEYS[1], "reset"))
    for step in range(4):
        scene = environment.engine.scene()
        np.testing.assert_allclose(films[1]["robot"][step], [*scene.robot, scene.heading])
        np.testing.assert_allclose(films[1]["vases"][step][:, :2], scene.vases)
        np.testing.assert_allclose(films[1]["goal"][step], scene.goal)
        seen = columns["seen/hazards_lidar"][step]
        np.testing.assert_allclose(seen, observation["hazards_lidar"], atol=1e-6)
        observation = environment.step(columns["action"][step], key=KEYS[1]).observation


def test_a_guide_acts_where_its_prediction_exceeds_the_threshold_beside_it(tmp_path):
    problem = compiled_problem("navigation-static")
    where, actor = a_policy(problem.target, "navigation-static")
    run = StudentRun(
        environment="navigation-static", method="budget-switch", limit=5.0, threshold=1e-3,
        learning=LEARNING, seed=0,
    )  # fmt: skip
    card = card_of("policy", where, Networks.of(LEARNING), Limits(5.0, 1000, {}), training={})
    save(tmp_path / "policy.safetensors", card, actor)
    _write_guide(tmp_path / "guide.safetensors", problem)
    options = {"episodes": 1, "seed": 2}
    (alone,) = record_students(run, tmp_path / "policy.safetensors", {}, **options, shielded=False)
    (shielded,) = record_students(
        run, tmp_path / "policy.safetensors", {"guide": tmp_path / "guide.safetensors"},
        **options, shielded=True,
    )  # fmt: skip
    assert not alone.shielded and not alone.columns["intervened"].any() and not alone.thresholds
    np.testing.assert_array_equal(
        alone.columns["state/robot"][0], shielded.columns["state/robot"][0]
    )
    predicted, budget = shielded.thresholds
    above = shielded.columns["evidence/predicted_cost"] > predicted.value
    spent = shielded.columns["evidence/episode_cost"] >= budget.value
    np.testing.assert_array_equal(shielded.columns["intervened"], above | spent)
    assert shielded.columns["intervened"].any() and shielded.acts == "the guide"
    own = ~shielded.columns["intervened"]
    np.testing.assert_array_equal(
        shielded.columns["action"][own], shielded.columns["proposed"][own]
    )


def _write_guide(path, problem):
    from handrail.methods.sagui.guide import random_guide

    guide = random_guide(
        interface_in(problem.target, "navigation-static"), problem.view, (4,), 0.99,
        key=jax.random.key(3),
    )  # fmt: skip
    save_guide(path, guide, problem, hidden=(4,), limit=5.0)
