"""Policies that handrail did not train, as guides: how they act, and what their critic knows."""

import gymnasium
import numpy as np
import pytest

import handrail
from handrail.api import policy_guides
from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.methods.sagui.guide_file import GUIDE


class Ledge(gymnasium.Env):
    """A point on [−1, 1], moved by up to 0.2 a step; it costs to be beyond 0.5."""

    action_space = gymnasium.spaces.Box(np.float32(0), np.float32(10), (1,), np.float32)
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.count = float(self.np_random.uniform(-1, 1)), 0
        return np.float32([self.at]), {}

    def move(self, action):
        return (float(np.ravel(action)[0]) - 5) / 25

    def step(self, action):
        self.count += 1
        self.at = float(np.clip(self.at + self.move(action), -1, 1))
        info = {"cost": float(self.at > 0.5)}
        return np.float32([self.at]), self.at, False, self.count == 40, info


class Numbered(Ledge):
    """The same, moved by −0.2, 0 or 0.2."""

    action_space = gymnasium.spaces.Discrete(3)

    def move(self, action):
        return (int(action) - 1) * 0.2


def away(observation):
    """Percent: 0 is the fastest way to the left, where nothing costs."""
    return np.float32([0.0 if observation[0] > 0 else 5.0])


def known(at, discount=0.9):
    """What follows from a place if the policy acts there, discounted: it leaves at 0.2 a step."""
    total, weight = 0.0, 1.0
    while at > 0:
        at -= 0.2
        total, weight = total + weight * (at > 0.5), weight * discount
    return total


FEW = {
    "limit": 2.0, "episode_length": 40, "steps": 1_500, "evaluation_episodes": 3,
    "shield_episodes": 3, "fitting": {"discount": 0.9, "hidden": (32,), "updates": 2_000},
}  # fmt: skip


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    return handrail.guide_from_policy(away, Ledge, tmp_path_factory.mktemp("ledge") / "g", **FEW)


def test_the_critic_knows_what_follows(guide):
    env = handrail.SafeExploration.with_guide(Ledge(), guide, limit=5.0, takeover_cost=0.3)
    predicted = []
    for at in (0.95, 0.6, 0.3, -0.5):
        env.reset(seed=0)
        env.env.at = at
        env._seen = np.float32([at])
        *_, info = env.step(np.float32([0.0]))
        predicted.append(float(info["evidence"]["predicted_cost"]))
    assert predicted == pytest.approx([known(0.95), known(0.6), known(0.3), 0], abs=0.25)


def test_its_file_says_how_well_the_critic_predicts(guide):
    card, _ = load(guide.file, expect="guide")
    said = card.training["evaluation"]
    assert said["bellman_error"] < 0.25, said
    assert said["predicted_cost"] == pytest.approx(said["incurred_cost"], abs=0.1)
    assert card.spec["takeover_cost"] == said["takeover_cost"]
    assert card.training["takeovers"][0]["takeover_cost"] == 2.0  # two steps' cost


def test_it_keeps_a_reckless_agent_safe(guide):
    def cost(env):
        total = 0.0
        for seed in range(3):
            env.reset(seed=seed)
            for _ in range(40):
                total += env.step(np.float32([10.0]))[-1]["cost"]
        return total

    assert cost(handrail.SafeExploration.with_guide(Ledge(), guide, limit=5.0)) <= 3 * 5
    assert cost(Ledge()) > 90


def test_a_student_learns_with_it(guide, tmp_path):
    learning = handrail.SacSettings(
        hidden=(4,), batch=4, train_every=20, updates=2, learning_starts=40, replay=500,
        discount=0.9, cost_floor="guide",
    )  # fmt: skip
    few = {"episode_length": 40, "steps": 80, "epoch": 40, "evaluation_episodes": 1}
    summary = handrail.train_student(
        Ledge, guide, tmp_path / "student", limit=4.0, learning=learning, **few
    )
    assert summary["intervention_rate"] > 0
    with pytest.raises(HandrailError, match="gives actions and no densities"):
        handrail.train_student(
            Ledge, guide, tmp_path / "pulled", limit=4.0, learning=learning, distil=True, **few
        )


def test_the_folder_knows_its_policy(guide):
    again = handrail.guide_from_policy(away, Ledge, guide.file.parent, **FEW)
    assert again.file == guide.file
    with pytest.raises(HandrailError, match="cost critic of another policy"):
        handrail.guide_from_policy(lambda o: np.float32([5.0]), Ledge, guide.file.parent, **FEW)
    with pytest.raises(HandrailError, match=r"limit was 2\.0, now 3\.0"):
        handrail.guide_from_policy(away, Ledge, guide.file.parent, **{**FEW, "limit": 3.0})


def test_a_fit_that_is_interrupted_in_its_shield_test_begins_anew(tmp_path, monkeypatch):
    few = {**FEW, "steps": 400, "evaluation_episodes": 1, "shield_episodes": 1}
    few["fitting"] = {"hidden": (4,), "updates": 20}

    def interrupted(*given, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(policy_guides, "takeover_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            handrail.guide_from_policy(away, Ledge, tmp_path, **few)
    assert not (tmp_path / GUIDE).exists()
    again = handrail.guide_from_policy(away, Ledge, tmp_path, **few)
    assert "shielded_cost" in load(again.file, expect="guide")[0].training["evaluation"]
    assert [path.name for path in tmp_path.glob("*.safetensors")] == [GUIDE]


def test_the_file_alone_is_not_enough(guide):
    with pytest.raises(HandrailError, match=r"what handrail\.guide_from_policy returns"):
        handrail.SafeExploration.with_guide(Ledge(), guide.file)


class OtherBounds(Ledge):
    action_space = gymnasium.spaces.Box(np.float32(-1), np.float32(1), (1,), np.float32)


def test_other_units_are_refused(guide):
    with pytest.raises(HandrailError, match=r"bounds from \[0.0\] to \[10.0\]"):
        handrail.SafeExploration.with_guide(OtherBounds(), guide)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (lambda o: np.float32([1, 2]), r"gives an action of shape \(2,\); expected \(1,\)"),
        (lambda o: np.float32([np.nan]), "expected finite numbers"),
        (lambda o: np.float32([11.0]), r"beyond \[-1, 1\]"),
    ],
)
def test_what_is_no_policy_is_refused(policy, message, tmp_path):
    with pytest.raises(HandrailError, match=message):
        handrail.guide_from_policy(policy, Ledge, tmp_path / "g", **FEW)


def test_a_source_in_which_nothing_costs_is_refused(tmp_path):
    with pytest.raises(HandrailError, match="no step of 1,500 cost anything"):
        handrail.guide_from_policy(away, Ledge, tmp_path / "g", cost=lambda *given: 0.0, **FEW)


def test_discrete_actions_have_guides_that_keep_a_limit(tmp_path):
    def left(observation):
        return 0 if observation[0] > 0 else 1

    guide = handrail.guide_from_policy(left, Numbered, tmp_path / "g", **FEW)
    env = handrail.SafeExploration.with_guide(Numbered(), guide, limit=5.0)
    total = 0.0
    for seed in range(3):
        env.reset(seed=seed)
        total += sum(env.step(2)[-1]["cost"] for _ in range(40))
    assert total <= 3 * 5
    switch = handrail.guide_intervention(
        guide, Numbered, limit=5.0, takeover_cost=0.5, episode_length=40
    )
    summary = handrail.train_dqn(
        Numbered, tmp_path / "dqn", intervention=switch, episode_length=40, steps=200,
        evaluation_episodes=1,
        learning=handrail.QLearning(hidden=(4,), learning_starts=100, replay=200, batch=8),
    )  # fmt: skip
    assert summary["intervention_rate"] > 0
