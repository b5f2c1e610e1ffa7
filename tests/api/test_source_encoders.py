"""An encoder of a source of one's own, and students whose guide acts near what it calls unsafe."""

import shutil

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

import handrail
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.gymnasium.building import built_twice, closes_environments
from handrail.methods.contrastive.artefacts import ENCODER
from handrail.methods.sagui.own_problems import target_in
from handrail.methods.sagui.state_check import open_encoder
from tests.api.test_own_training import FEW
from tests.api.test_own_vector import Env
from tests.envs.toys import Walker

ENCODING = {
    "episode_length": 20, "steps": 2_000, "latent": 2, "hidden": (8,), "train_every": 10,
    "batch": 16, "horizon": 1,
}  # fmt: skip


def steep(observation, action, next_observation, info):
    return float(abs(next_observation[0]) > 0.4)


def level(observation, action, next_observation, info):
    return float(next_observation[0] > 0.4)


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crossed")
    guide = handrail.train_guide(
        Walker, folder / "guide", limit=2.0, cost=steep, shield_episodes=1, **FEW
    )
    encoder = handrail.train_source_encoder(Walker, folder / "encoder", cost=steep, **ENCODING)
    return guide, encoder


@closes_environments
def test_unsafe_states_are_near_what_harm_followed(knowledge):
    """Costs begin at 0.4: harm follows 0.9 at every step, and the middle never."""
    _, encoder = knowledge
    host, trial = built_twice(Walker, cost=steep, episode_length=20, warn_of_scales=False)
    found = open_encoder(encoder, target_in(host, trial, 20))

    def distance(place):
        embedded = found.embed(jnp.array([place, 0.5]))
        return float(jnp.sort(jnp.linalg.norm(found.unsafe - embedded[None], axis=1))[:10].mean())

    assert distance(0.9) < distance(0.0)


def test_a_finished_encoder_is_not_repeated_and_another_cost_is_refused(knowledge):
    _, encoder = knowledge
    before = encoder.read_bytes(), encoder.stat().st_mtime_ns
    again = handrail.train_source_encoder(Walker, encoder.parent, cost=steep, **ENCODING)
    assert again == encoder and encoder.name == ENCODER
    for other in ({"cost": level}, {"horizon": 2}, {"seed": 7}):
        with pytest.raises(HandrailError, match="holds a run with other settings"):
            given = {"cost": steep, **ENCODING, **other}
            handrail.train_source_encoder(Walker, encoder.parent, **given)
    assert (encoder.read_bytes(), encoder.stat().st_mtime_ns) == before


def test_an_encoder_of_elsewhere_is_not_taken_for_this_run(knowledge, tmp_path):
    _, encoder = knowledge
    shutil.copy(encoder, tmp_path)
    with pytest.raises(HandrailError, match="holds no handrail run; choose another output folder"):
        handrail.train_source_encoder(Walker, tmp_path, cost=steep, **ENCODING)


def test_the_guide_acts_where_the_encoder_sees_danger(knowledge, tmp_path):
    guide, encoder = knowledge
    shares = {}
    for name, distance in (("never", 1e-6), ("always", 1e6)):
        summary = handrail.train_student(
            Walker, guide, tmp_path / name, method="near-unsafe-switch", encoder=encoder,
            cost=steep, limit=10.0, near={"max_distance": distance}, guide_interval_share=0.0,
            **FEW,
        )  # fmt: skip
        shares[name] = summary["intervention_rate"]
        assert "evidence/distance" in read_table(tmp_path / name / "progress.csv")
    assert shares["always"] == 1.0 and shares["never"] < 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "near-unsafe-switch"}, "needs the file of an encoder: give encoder="),
        ({"encoder": "given"}, "'budget-switch' has no encoder: leave encoder out"),
        ({"near": {"max_distance": 1.0}}, "'budget-switch' has no encoder that says which states"),
    ],
)
def test_an_encoder_goes_with_its_methods(knowledge, wrong, message, tmp_path):
    guide, encoder = knowledge
    if "encoder" in wrong:
        wrong = {"encoder": encoder}
    with pytest.raises(HandrailError, match=message):
        handrail.train_student(Walker, guide, tmp_path, cost=steep, limit=10.0, **FEW, **wrong)


@closes_environments
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cost": lambda *step: 0.0}, "none of 2000 steps had a cost"),
        ({"steps": 150}, "encoder.steps is 150: expected a multiple of 100"),
        ({"unsafe_start": {"start": "there"}}, "rescue_share is 0, so that no episode begins so"),
        ({"rescue_share": 2.0}, "rescue_share is 2"),
        ({"horizon": 0}, "horizon is 0: expected"),
        ({"hidden": (0,)}, "hidden"),
    ],
)
def test_what_does_not_fit_is_one_line(wrong, message, tmp_path):
    with pytest.raises(HandrailError, match=message):
        handrail.train_source_encoder(Walker, tmp_path, **{"cost": steep, **ENCODING, **wrong})


def test_several_environments_side_by_side_are_refused(tmp_path):
    """What follows a state in one of them is not what the next one meets."""

    def four():
        return gymnasium.vector.SyncVectorEnv([Env] * 4)

    with pytest.raises(HandrailError, match="4 environments side by side"):
        handrail.train_source_encoder(four, tmp_path / "encoder", cost=steep, **ENCODING)


def test_a_short_training_learns_as_well(tmp_path):
    few = {**ENCODING, "steps": 1_000}
    handrail.train_source_encoder(Walker, tmp_path, cost=steep, **few)
    assert np.isfinite(read_table(tmp_path / "training" / "progress.csv")["losses/autoencoder"][-1])
