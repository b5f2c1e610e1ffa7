"""The state check on a discrete task of one's own, from training it to acting with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.api.discrete import train_dqn, train_encoder
from handrail.api.discrete_files import load_encoder
from handrail.core.artifact import load, save
from handrail.core.errors import HandrailError
from handrail.core.types import Context
from handrail.interventions.near_unsafe import AdaptiveRadius, NearUnsafe
from handrail.interventions.recipes import contrastive
from handrail.methods.contrastive.settings import QLearning
from tests.api.test_own_training import Line, Q
from tests.envs.toys import Named, Walker

FEW = {"steps": 60, "latent": 4, "hidden": (8,), "batch": 8, "acting": Q}


class NamedLine(Named, Line):
    """With named parts and two actions."""

    action_space = Line.action_space

    def step(self, action):
        return Line.step(self, action)


class Corridor(Line):
    """Steps of 0.1, and the end beyond ±0.5: most of the time there is no danger at all."""

    def move(self, action):
        Walker.move(self, [2 * action - 1])

    def step(self, action):
        observation, reward, _, truncated, info = Line.step(self, action)
        return observation, reward, info["cost"] > 0, truncated, info


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Long enough to tell the middle of the line from its ends."""
    acting = QLearning(
        hidden=(8,), learning_starts=100, replay=500, batch=8, epsilon_fraction=4.0,
        target_every=20,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("encoder")
    return train_encoder(
        Corridor, folder, steps=12_000, latent=8, hidden=(32,), batch=16, acting=acting
    )


def test_what_comes_before_harm_is_nearer_to_what_is_known(trained):
    """A step is 0.1 long and the limits are ±0.5, so harm is one step away from ±0.4 on."""
    near = NearUnsafe(*load_encoder(trained, Corridor()))

    def distance(at):
        observation, zero = jnp.array([at, 0.5], jnp.float32), jnp.int32(0)
        context = Context(
            observation, zero, {}, zero, zero, zero, jnp.float32(0), jnp.float32(0)
        )  # fmt: skip
        return float(near(context, near.init(), key=jax.random.key(0)).evidence["distance"])

    assert max(distance(-0.45), distance(0.45)) < 0.5 * distance(0.0)


def test_the_whole_method_acts_with_it(trained, tmp_path):
    near = NearUnsafe(*load_encoder(trained, Corridor()), radius=AdaptiveRadius())
    whole = contrastive(near, lambda observation: jnp.array([0.0, 1.0]), prior_prob=1.0)
    summary = train_dqn(
        Corridor, tmp_path, intervention=whole, steps=60, episode_length=20, evaluation_episodes=1,
        learning=Q,
    )  # fmt: skip
    assert 0 < summary["intervention_rate"] < 1


def test_the_file_says_what_it_fits(tmp_path):
    path = train_encoder(NamedLine, tmp_path, parts=["position"], **FEW)
    card, arrays = load(path, expect="encoder")
    assert card.spec["parts"] == {"position": [1]}
    assert 0 < len(arrays["known"]) <= 60 and arrays["known"].shape[1] == 4
    embed, known = load_encoder(path, NamedLine(), parts=["position"])
    assert embed({"position": jnp.zeros(1)}).shape == known.shape[1:] == (4,)
    with pytest.raises(HandrailError, match="does not fit"):
        load_encoder(path, NamedLine(), parts=["position", "phase"])


def test_files_without_unsafe_embeddings_are_refused(tmp_path):
    path = train_encoder(Line, tmp_path / "run", **FEW)
    card, arrays = load(path)
    del arrays["known"]
    save(tmp_path / "other.safetensors", card, arrays)
    with pytest.raises(HandrailError, match="unsafe embeddings"):
        load_encoder(tmp_path / "other.safetensors", Line())


def test_a_finished_encoder_is_not_trained_again(tmp_path):
    path = train_encoder(Line, tmp_path, **FEW)
    before = path.read_bytes()
    assert train_encoder(Line, tmp_path, **FEW).read_bytes() == before
    other = train_encoder(Line, tmp_path.parent / "other", **FEW, seed=1)
    assert not np.array_equal(load(other)[1]["known"], load(path)[1]["known"])


def test_what_an_encoder_refuses(tmp_path):
    with pytest.raises(HandrailError, match="none of 60 steps had a cost"):
        train_encoder(Line, tmp_path / "a", cost=lambda *step: 0.0, **FEW)
    with pytest.raises(HandrailError, match="has real actions"):
        train_encoder(Walker, tmp_path / "b", **FEW)
