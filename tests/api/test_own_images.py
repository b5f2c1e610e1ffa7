"""Images of one's own, alone and beside numbers: learnt from, kept as bytes, resumed, loaded."""

import dataclasses
import json

import gymnasium
import jax
import numpy as np
import pytest

import handrail
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import host_of
from handrail.interventions.recipes import none
from handrail.methods.contrastive.agents import q_learner
from handrail.methods.contrastive.on_host import host_problem
from handrail.train import run
from handrail.train.host import HostLoop

SMALL = handrail.ImageNetwork((4,), (8,), (8,), (16,))
DQN = handrail.QLearning(
    learning_rate=2e-3, discount=0.0, batch=16, replay=300, learning_starts=60, train_every=2,
    target_every=20, prioritized=False, epsilon_fraction=0.5, images=SMALL,
)  # fmt: skip
SAC = handrail.SacSettings(
    hidden=(16,), batch=16, updates=50, train_every=50, learning_starts=50, discount=0.5,
    learning_rate=3e-3, images=SMALL,
)  # fmt: skip


class Sides(gymnasium.Env):
    """One half of the image is bright: acting on that side earns 1 and costs nothing."""

    def __init__(self, discrete=True, *, beside=False, side=32, floats=False):
        high, dtype = (1, np.float32) if floats else (255, np.uint8)
        image = gymnasium.spaces.Box(0, high, (side, side, 1), dtype)
        odd = gymnasium.spaces.Box(-1e6, 1e6, (2,), np.float32)
        self.beside, self.high = beside, high
        spaces = {"camera": image, "position": odd}
        self.observation_space = gymnasium.spaces.Dict(spaces) if beside else image
        box = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2) if discrete else box

    def _seen(self):
        self.right = bool(self.np_random.integers(2))
        shape = (self.observation_space["camera"] if self.beside else self.observation_space).shape
        image = np.zeros(shape, np.uint8 if self.high == 255 else np.float32)
        half = shape[1] // 2
        image[:, half:] = self.high * self.right
        image[:, :half] = self.high * (not self.right)
        place = np.array([5_000 + self.np_random.random(), 0.0], np.float32)
        return {"camera": image, "position": place} if self.beside else image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._seen(), {}

    def step(self, action):
        right = bool(np.all(np.asarray(action) > 0))
        good, self.steps = right == self.right, self.steps + 1
        return self._seen(), float(good), False, self.steps == 20, {"cost": float(not good)}


def train(folder, environment=Sides, learning=DQN, steps=400, **options):
    return handrail.train_dqn(
        environment, folder, steps=steps, evaluation_episodes=5, learning=learning, **options
    )


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A DQN on an image beside numbers of another scale, which it standardises."""
    folder = tmp_path_factory.mktemp("learnt")
    learning = dataclasses.replace(DQN, normalise_observations=True)
    return folder, train(folder, lambda: Sides(beside=True), learning), learning


def right_share(policy, env):
    """How often a policy acts on the bright side."""
    seen, _ = env.reset(seed=5)
    rewards = []
    for _ in range(20):
        seen, reward, *_ = env.step(policy(seen))
        rewards.append(reward)
    return np.mean(rewards)


def test_dqn_sees_which_half_is_bright_beside_numbers_of_another_scale(learnt):
    _, summary, _ = learnt
    assert summary["greedy_return"] > 18  # of 20; without sight it is 10


def test_scales_and_convolutions_are_in_the_file_which_acts_alone(learnt):
    folder, _, _ = learnt
    card, arrays = handrail.load(folder / "policy.safetensors")
    assert card.network["images"]["channels"] == [4]
    parts = card.network["images"]["parts"]
    assert parts == {"camera": {"low": 0, "high": 255, "dtype": "uint8"}}
    mean = arrays["inputs.standard.mean"]
    np.testing.assert_allclose(mean, [5_000.5, 0], atol=0.2)
    assert arrays["inputs.convs[0][0].weight"].shape == (4, 8, 8, 1)
    env = Sides(beside=True)
    assert right_share(handrail.load_policy(folder / "policy.safetensors", env), env) > 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"side": 40}, r"camera.*\[32, 32, 1\].*\[40, 40, 1\]"),
        ({"floats": True}, "uint8 from 0 to 255, here they are 'camera', float32 from 0 to 1"),
    ],
)
def test_a_file_for_other_images_is_refused(learnt, options, words):
    with pytest.raises(HandrailError, match=words):
        handrail.load_policy(learnt[0] / "policy.safetensors", Sides(beside=True, **options))


def test_a_run_that_is_interrupted_goes_on_with_its_memory(learnt, tmp_path, monkeypatch):
    *_, learning = learnt
    saved, seconds = run.save_checkpoint, "HANDRAIL_CHECKPOINT_SECONDS"

    class Stop(Exception):
        pass

    def save_and_stop(*args, **options):
        saved(*args, **options)
        raise Stop

    monkeypatch.setenv(seconds, "0")
    monkeypatch.setattr(run, "CHUNK_STEPS", 120)
    monkeypatch.setattr(run, "save_checkpoint", save_and_stop)
    again = lambda: train(tmp_path / "cut", lambda: Sides(beside=True), learning)
    for _ in range(3):
        with pytest.raises(Stop):
            again()
    monkeypatch.setattr(run, "save_checkpoint", saved)
    assert again()["greedy_return"] > 18
    assert again() == json.loads((tmp_path / "cut" / "summary.json").read_text())


def test_the_memory_holds_bytes_once():

    host = host_of(gymnasium.wrappers.TimeLimit(Camera(), 50))
    problem = host_problem("camera", host, host.observation_zeros(), lambda key: None)
    agent = q_learner(problem, handrail.QLearning())
    state = jax.eval_shape(
        lambda key: agent.init(HostLoop(host, agent, none(), 1_000)._example, key=key),
        jax.random.key(0),
    )
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.replay))
    assert size < 1.2 * 10_000 * 96 * 96 * 3  # bytes, once; floats, twice, are 8 times that


class Camera(gymnasium.Env):
    """Of shared case 6."""

    observation_space = gymnasium.spaces.Box(0, 255, (96, 96, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(3)


def test_a_guide_and_a_student_see_images_and_a_shield_asks_it(tmp_path):
    make = lambda: Sides(False, beside=True)
    learning = dataclasses.replace(SAC, normalise_observations=True, cost_floor="zero")

    def bright(seen, action, after):
        """1 on the bright side; the image is bytes."""
        return float((action[0] > 0) == (seen["camera"][0, -1, 0] == 255))

    guide = handrail.train_guide(
        make, tmp_path / "guide", limit=4.0, bonus=bright, episode_length=20, steps=400, epoch=400,
        evaluation_episodes=2, shield_episodes=1, entropy_weight=0.01, uniform_steps=50,
        keep=20, learning=learning,
    )  # fmt: skip
    card, arrays = handrail.load(guide)
    assert card.network["normalise_observations"] is True
    assert card.training["evaluation"]["cost"] < 6  # of 20; blind it is 10
    np.testing.assert_array_equal(
        arrays["actor.inputs.standard.mean"], arrays["critics.inputs.standard.mean"]
    )
    env = handrail.SafeExploration.with_guide(make(), guide, limit=20.0, takeover_cost=0.3)
    env.reset(seed=0)
    assert "predicted_cost" in env.step(np.array([1.0], np.float32))[4]["evidence"]
    floored = dataclasses.replace(SAC, cost_floor="guide")
    summary = handrail.train_student(
        make, guide, tmp_path / "student", limit=20.0, episode_length=20, steps=100, epoch=100,
        evaluation_episodes=2, source_data=True, learning=floored,
    )  # fmt: skip
    assert np.isfinite(summary["total_cost"])
    assert right_share(handrail.load_policy(guide, make()), make()) > 0.7
    with pytest.raises(HandrailError, match=r"other resolutions.*ResizeObservation"):
        handrail.SafeExploration.with_guide(Sides(False, beside=True, side=40), guide)
    with pytest.raises(
        HandrailError, match=r"'camera' is uint8 from 0 to 255.*float32 from 0 to 1"
    ):
        handrail.SafeExploration.with_guide(Sides(False, beside=True, floats=True), guide)


def test_sources_of_other_resolutions_are_refused_with_a_way_out(tmp_path):
    words = r"other resolutions, 32 × 32 × 1 and 40 × 40 × 1.*ResizeObservation"
    with pytest.raises(HandrailError, match=words):
        handrail.train_prior([Sides, lambda: Sides(side=40)], tmp_path / "mixed")
    with pytest.raises(HandrailError, match="float32 from 0 to 1, but there it is uint8 from 0"):
        handrail.train_prior([Sides, lambda: Sides(floats=True)], tmp_path / "values")


@pytest.mark.parametrize(
    ("environment", "learning", "words"),
    [
        (Sides, {}, r"32 × 32 pixels, too few.*36 × 36"),
        (lambda: gymnasium.wrappers.ReshapeObservation(Sides(), (32, 32)), {}, "without channels"),
        (lambda: gymnasium.wrappers.ReshapeObservation(Sides(), (1, 32, 32)), {}, "channels first"),
        ("CartPole-v1", {"images": {"channels": (4, 4, 4)}}, "no part of the observation is an"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_before_anything_is_trained(
    environment, learning, words, tmp_path
):
    with pytest.raises(HandrailError, match=words) as error:
        train(tmp_path / "run", environment, learning, steps=10, cost=lambda *step: 0.0)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "run").glob("*.csv"))
