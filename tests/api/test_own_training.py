"""Guides, students, Q-functions and priors on environments that are not ours."""

import dataclasses
import json

import gymnasium
import numpy as np
import pytest

from handrail.api.discrete import train_dqn, train_prior
from handrail.api.discrete_files import load_prior
from handrail.api.guides import train_guide
from handrail.api.students import train_student
from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.gymnasium.bonus import with_bonus
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.host import HostTimestep
from handrail.envs.transfer import View
from handrail.interventions.recipes import domain_prior
from handrail.methods.contrastive.inputs import VectorQ
from handrail.methods.contrastive.on_host import pseudo_reward_fn
from handrail.methods.contrastive.settings import PriorSettings, QLearning
from handrail.methods.sagui.settings import SacSettings
from tests.envs.toys import Named, Walker

LEARNING = SacSettings(
    hidden=(4,), batch=4, train_every=20, updates=2, learning_starts=40, replay=500
)  # fmt: skip
FEW = {
    "episode_length": 20, "steps": 80, "epoch": 40, "evaluation_episodes": 2,
    "learning": LEARNING,
}  # fmt: skip
PARTS = ["phase", "position"]


def moved(observation, action, next_observation):
    return float(np.abs(next_observation - observation)[0])


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """A guide of `Walker`, hardly trained."""
    folder = tmp_path_factory.mktemp("guide")
    return train_guide(Walker, folder, bonus=moved, limit=1.0, **FEW)


def test_a_guide_says_what_it_is(guide):
    card, _ = load(guide, expect="guide")
    assert card.spec == {
        "parts": {"observation": [2]}, "actions": 1, "limit": 1.0, "limit_steps": 20,
        "action_bounds": {"low": [-2.0], "high": [4.0]}, "view": "named parts",
        "discount": 0.99, "takeover_cost": card.training["evaluation"]["takeover_cost"],
    }  # fmt: skip
    table = read_table(guide.parent / "evaluations.csv")
    assert table["step"].tolist() == [40, 80]
    assert (table["length"] == 20).all() and (table["return"] > 0).all()


def test_a_finished_guide_is_not_repeated(guide):
    before = guide.read_bytes()
    assert train_guide(Walker, guide.parent, bonus=moved, limit=1.0, **FEW) == guide
    assert guide.read_bytes() == before
    with pytest.raises(HandrailError, match="other settings"):
        train_guide(Walker, guide.parent, bonus=moved, limit=2.0, **FEW)


def test_a_student_and_its_summary(guide, tmp_path):
    summary = train_student(Walker, guide, tmp_path, limit=2.0, **FEW)
    assert 0 < summary["intervention_rate"] < 1
    assert summary["violations"] > 0
    assert summary["last_epoch"]["target_length"] == 20
    assert load(tmp_path / "policy.safetensors", expect="policy")[0].spec["limit"] == 2.0


@pytest.mark.parametrize(
    ("method", "limit_fraction", "guide_interval_share"),
    [("budget-switch", 0.5, 0.1), ("control-switch", 0.5, 0.0), ("linear-decay", 1.0, 0.0)],
)
def test_margin_and_excursions_are_the_methods_own(
    guide, tmp_path, method, limit_fraction, guide_interval_share
):
    train_student(Walker, guide, tmp_path, method=method, limit=2.0, **FEW)
    settings = json.loads((tmp_path / "run.json").read_text())["run"]
    assert (settings["limit_fraction"], settings["guide_interval_share"]) == (
        limit_fraction,
        guide_interval_share,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit": None}, "give limit"),
        ({"limit": 2.0, "limits": {"cost": 1.0}}, "leave `limit` out"),
        (
            {"guide_interval_share": -0.1},
            "guide_interval_share is -0.1: expected a share of the steps",
        ),
        ({"limit_fraction": -1.0}, "limit_fraction is -1.0: expected a share of the limit"),
        ({"limit": 0.5}, "trained for a cost limit of 1 an episode, but the student's is 0.5"),
        ({"method": "switch"}, "unknown method 'switch': did you mean"),
        ({"method": "sac-lagrangian"}, "'sac-lagrangian' has no guide"),
        ({"steps": 50}, "multiple of epoch"),
        ({"episode_length": None}, "says nothing of its time limit"),
        ({"view": View.keep(["gyro"])}, "selects parts by name, but the observation is one array"),
    ],
)
def test_what_a_student_refuses(guide, tmp_path, changes, message):
    with pytest.raises(HandrailError, match=message):
        train_student(Walker, guide, tmp_path / "run", **({"limit": 2.0} | FEW | changes))
    assert not (tmp_path / "run").exists()


def test_a_student_learns_from_what_its_guide_foresees_if_it_can_be_compared(guide, tmp_path):
    few = {**FEW, "limit": 2.0}
    own = dataclasses.replace(LEARNING, cost_floor="guide")
    with_it = train_student(Walker, guide, tmp_path / "a", **{**few, "learning": own})
    without = train_student(Walker, guide, tmp_path / "b", **few)
    assert with_it["last_epoch"] != without["last_epoch"]
    other = dataclasses.replace(own, discount=0.9)
    with pytest.raises(HandrailError, match=r"critic has discount 0\.99, the student 0\.9"):
        train_student(Walker, guide, tmp_path / "c", **{**few, "learning": other})
    with pytest.raises(HandrailError, match="there is no guide to ask: set it to 'zero'"):
        train_student(
            Walker, None, tmp_path / "d", **{**few, "learning": own, "method": "sac-lagrangian"}
        )


def test_a_student_learns_costs_from_what_its_guide_has_met(tmp_path):
    few = {**FEW, "limit": 2.0}
    guide = train_guide(Walker, tmp_path / "guide", bonus=moved, limit=1.0, keep=50, **FEW)
    assert load(guide.with_name("transitions.safetensors"))[0].spec["count"] == 50
    taught = train_student(Walker, guide, tmp_path / "a", source_data=True, **few)
    alone = train_student(Walker, guide, tmp_path / "b", **few)
    assert taught["last_epoch"] != alone["last_epoch"]
    with pytest.raises(HandrailError, match=r"cannot be undone.*handrail\.View"):
        train_student(
            Walker, guide, tmp_path / "c", source_data=True, view=lambda seen: seen, **few
        )


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("budget-switch", "no steps of the source were kept"),
        ("sac-lagrangian", "has no guide beside which"),
    ],
)
def test_steps_of_the_source_have_to_be_there(guide, tmp_path, method, message):
    given = None if method == "sac-lagrangian" else guide
    options = {**FEW, "limit": 2.0, "source_data": True, "method": method}
    with pytest.raises(HandrailError, match=message):
        train_student(Walker, given, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_guide_makes_the_excursions_it_is_asked_for(guide, tmp_path):
    """An untrained critic predicts less than harm for ever, so the guide acts unasked or never."""
    calm = {**FEW, "limit": 1000.0, "threshold": 0.109, "method": "budget-switch"}
    rates = {
        share: train_student(
            Walker, guide, tmp_path / str(share), **calm, guide_interval_share=share
        )["intervention_rate"]
        for share in (0.0, 1.0)
    }
    assert rates == {0.0: 0.0, 1.0: 1.0}
    with pytest.raises(HandrailError, match="has one actor, so nobody else"):
        train_student(
            Walker,
            None,
            tmp_path / "s",
            **{**calm, "method": "sac-lagrangian", "threshold": None},
            guide_interval_share=0.5,
        )


def test_targets_that_a_guide_does_not_fit(guide, tmp_path):
    class Other(Walker):
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    class Wide(Walker):
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))

    def named():
        return Named()

    for target, message, options in (
        (Other, r"for bounds from \[-2.0\] to \[4.0\], those there are from \[-1.0\]", {}),
        (Wide, "acts with 1 numbers, an action there is 2 numbers", {}),
        (named, r"sees phase \(3,\), position \(1,\)", {"parts": PARTS}),
        (
            named,
            "view needs the part 'gyro'.*has phase, position",
            {"parts": PARTS, "view": View.keep(["gyro"])},
        ),
    ):
        with pytest.raises(HandrailError, match=message):
            train_student(target, guide, tmp_path, limit=2.0, **FEW, **options)
    with pytest.raises(HandrailError, match="needs the file of a guide"):
        train_student(Walker, None, tmp_path, limit=2.0, **FEW)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Walker(), "is a Walker; expected the id of a registered environment or a function"),
        ("Nope-v0", "cannot make the environment 'Nope-v0'"),
        ("CartPole-v1", r"handrail.train_dqn .* with intervention"),
    ],
)
def test_sources_that_are_refused(source, message, tmp_path):
    with pytest.raises(HandrailError, match=message):
        train_guide(source, tmp_path, limit=1.0)


def test_the_scales_of_other_tasks_are_refused(tmp_path):
    few = FEW | {"learning": dataclasses.replace(LEARNING, inputs="scaled")}
    refused = r"learning\.inputs is 'scaled', but only the parts"
    with pytest.raises(HandrailError, match=refused):
        train_guide(Walker, tmp_path / "guide", limit=1.0, **few)
    with pytest.raises(HandrailError, match=refused):
        train_student(Walker, None, tmp_path / "student", method="sac-lagrangian", limit=1.0, **few)


def test_bonuses():
    import jax

    def rewards(bonus, env=Named, **options):
        host = with_bonus(GymnasiumHost(env(), **options), bonus)
        host.reset(key=jax.random.key(0))
        return [host.step(np.ones(1), key=jax.random.key(0)).reward for _ in range(2)]

    assert rewards("position", parts=PARTS) == pytest.approx([0.4, 0.4], abs=1e-6)
    assert rewards(None, Walker) == [0, 0]
    assert rewards(lambda o, a, n: float(a[0]), Walker) == [1, 1]
    with pytest.raises(HandrailError, match=r"'speed' names no part.*has phase, position"):
        rewards("speed", parts=PARTS)
    with pytest.raises(HandrailError, match="has no named parts"):
        rewards("speed", Walker)
    with pytest.raises(HandrailError, match="bonus is nan"):
        rewards(lambda o, a, n: float("nan"), Walker)


class Line(Walker):
    """The same with two actions, and a task: to be at one end."""

    action_space = gymnasium.spaces.Discrete(2)
    goal = 1.0

    def move(self, action):
        Walker.move(self, [6 * action - 3])

    def step(self, action):
        observation, at, *rest = Walker.step(self, action)
        return observation, at * self.goal, *rest


class OtherEnd(Line):
    """To be at the other end."""

    goal = -1.0


Q = QLearning(hidden=(4,), learning_starts=20, replay=100, batch=8, target_every=20)


def test_a_prior_from_two_tasks_and_a_dqn_under_it(tmp_path):
    path = train_prior(
        [Line, OtherEnd], tmp_path / "prior", steps=40, prior_steps=40,
        learning=Q, prior_learning=Q,
    )  # fmt: skip
    card, _ = load(path, expect="prior")
    assert card.spec["parts"] == {"observation": [2]} and card.spec["actions"] == 2
    assert card.training["settings"]["sources"] == ["Line", "OtherEnd"]
    prior = load_prior(path, Line())
    summary = train_dqn(
        Line, tmp_path / "dqn", intervention=domain_prior(prior), steps=40,
        episode_length=20, evaluation_episodes=2, learning=Q,
    )  # fmt: skip
    assert summary["greedy_length"] == 20 and summary["intervention_rate"] > 0
    with pytest.raises(HandrailError, match="does not fit"):
        load_prior(path, gymnasium.make("CartPole-v1"))


def test_after_an_end_a_prior_sees_a_first_state():
    """So that ending costs what a first state is worth, though no reward is negative."""
    import jax

    networks = [VectorQ.fresh(2, (), 2, key=jax.random.key(seed)) for seed in (0, 1)]
    here, there, first = (np.array(x, np.float32) for x in ([1, 2], [3, -1], [-2, 5]))
    settings = PriorSettings(source_learning=QLearning(discount=0.9), undesirable=0.0)
    reward = pseudo_reward_fn(networks, first, settings)

    def step(observation, terminated):
        zero = np.float32(0)
        return HostTimestep(observation, zero, zero, np.bool_(terminated), np.bool_(False))

    actions = [np.int32(0), np.int32(1)]
    ended = [reward(here, action, step(there, True)) for action in actions]
    assert ended == [reward(here, action, step(first, False)) for action in actions]
    assert ended != [reward(here, action, step(there, False)) for action in actions]


def test_what_q_learning_refuses(tmp_path):
    with pytest.raises(HandrailError, match="has real actions"):
        train_dqn(Walker, tmp_path)
    with pytest.raises(HandrailError, match="needs at least 2"):
        train_prior([Line], tmp_path)
    with pytest.raises(HandrailError, match="same observation and actions"):
        train_prior([Line, "CartPole-v1"], tmp_path)
