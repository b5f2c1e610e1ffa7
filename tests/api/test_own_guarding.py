"""Guides are tried as guards in environments that are not ours, and kept by that."""

import dataclasses
import functools
import logging

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

import handrail
from handrail.api.guides import train_guide, try_guide
from handrail.api.students import train_student
from handrail.core.artifact import Card, load, save
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.gymnasium.building import host_of
from handrail.interventions.triggers import CostCriticExceeds
from handrail.methods.sagui import train_guide as training
from handrail.methods.sagui.guide import GuideNetworks
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.problem import interface_of
from handrail.methods.sagui.shield import broken_limits, proposed
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_guide import takeover_cost
from handrail.safe_exploration import SafeExploration
from tests.api.test_own_several_costs import LIMITS, Laborious
from tests.api.test_own_training import FEW, moved
from tests.api.test_own_vector import Env
from tests.envs.toys import Walker
from tests.experiments.navigation.toy import foreseeing, going

LIMIT_SEEN = 3 / 20 * (1 - 0.99**20) / (1 - 0.99)  # of 3 an episode, discounted
NAN = float("nan")
STAYS, RUNS = -1 / 3, 0.99  # of actions that become −2 to 4


def guide_intervention(path, env, *, recipe, limit, threshold=None):
    file = open_guide(path, interface_of(host_of(env)))
    takeover = file.takeover(file.allowed(limit), threshold)
    return METHODS[recipe].intervention(takeover, Known(file.guide))


def guide(path, *, foresees, goes, limits=None, evaluation=None):
    """It foresees so much whatever is proposed, and acts near `goes`."""
    costs = len(limits or "1")
    networks = GuideNetworks.fresh(2, 1, (4,), costs=costs, key=jax.random.key(0))
    networks = going(foreseeing(networks, foresees), float(np.arctanh(goes)))
    spec = {
        "parts": {"observation": [2]}, "actions": 1, "limit": 1.0, "limit_steps": 20,
        **({"limits": limits} if limits else {}),
    }  # fmt: skip
    training = {"settings": {"learning": {"discount": 0.99}}, "evaluation": evaluation}
    card = Card("guide", spec, {"hidden": [4]}, training)
    save(path, card, networks)
    return path


@pytest.mark.parametrize(
    ("foresees", "goes", "share", "lowest", "highest"),
    [
        (9.0, STAYS, 1.0, 0.0, 0.0),  # it foresees everything and averts everything
        (9.0, RUNS, 1.0, 15.0, 20.0),  # it makes things worse
        (0.0, STAYS, 0.0, 5.0, 19.0),  # it lets everything happen
    ],
)
def test_a_guide_has_to_foresee_and_to_avert(tmp_path, foresees, goes, share, lowest, highest):
    path = guide(tmp_path / "g.safetensors", foresees=foresees, goes=goes)
    found = try_guide(Walker, path, takeover_cost=2.0, episode_length=20, episodes=12)
    assert found["shielded_share"] == share and found["takeover_cost"] == 2.0
    assert lowest <= found["shielded_cost"] <= highest
    if lowest == highest:
        bound = 1 - 0.05 ** (1 / 12)
        assert (found["shielded_above"], found["shielded_above_at_most"]) == (
            0,
            pytest.approx(bound),
        )
    else:
        assert 0 < found["shielded_above"] < found["shielded_above_at_most"] <= 1 or lowest == 15


def test_side_by_side_it_is_tried_in_the_same_episodes(tmp_path):
    path = guide(tmp_path / "g.safetensors", foresees=0.0, goes=STAYS)
    beside = functools.partial(SyncVectorEnv, [Env] * 3)
    alone, several = (
        try_guide(kind, path, takeover_cost=2.0, episode_length=20, episodes=7)
        for kind in (Walker, beside)
    )
    assert alone == several and alone["shielded_cost"] > 0


def test_costs_are_of_as_many_steps_as_the_limit(tmp_path):
    """An episode that is cut off counts as if it had gone on as it did."""
    path = guide(tmp_path / "g.safetensors", foresees=9.0, goes=RUNS)
    long = functools.partial(Walker, 1_000)  # 400 of which are driven, two or three of them inside
    found = try_guide(long, path, takeover_cost=2.0, episode_length=1_000, episodes=2)
    assert 990 < found["shielded_cost"] < 1_000


def test_each_of_several_costs_is_named(tmp_path):
    path = guide(tmp_path / "g.safetensors", foresees=9.0, goes=STAYS, limits=LIMITS)
    options = {"takeover_cost": 2.0, "episode_length": 20, "episodes": 3}
    found = try_guide(Laborious, path, limits=LIMITS, **options)
    assert found["shielded_cost.effort"] == 5.0 and found["shielded_cost.place"] == 0.0
    assert found["shielded_cost"] == 2.0  # 5 of 5, on the scale of 2


def test_of_several_costs_the_environments_own_limits_count(tmp_path):
    path = guide(tmp_path / "g.safetensors", foresees=9.0, goes=STAYS, limits=LIMITS)
    wider = {name: 3 * limit for name, limit in LIMITS.items()}
    env = SafeExploration.with_guide(Laborious(), path, limits=wider, takeover_cost=2.0)
    thresholds = env.stepwise._intervention.when.thresholds()
    compared = {one.quantity: one.value for one in thresholds}
    assert compared["episode_cost"] == env.limit == min(wider.values())
    given = {"limit": 500.0, "limits": wider, "takeover_cost": 2.0}
    with pytest.raises(HandrailError, match=r"limit is 500\.0, beside the limits of .*leave limit"):
        SafeExploration.with_guide(Laborious(), path, **given)
    with pytest.raises(HandrailError, match="leave limit out"):
        try_guide(Laborious, path, episodes=1, episode_length=20, **given)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"limit": NAN}, "limit"),
        ({"limit": 5.0, "threshold": NAN}, "threshold"),
        ({"limit": 5.0, "threshold": -1.0}, "threshold"),
        ({"limit": 5.0, "recipe": "control-switch", "threshold": 3.0}, "leave it out"),
        ({"limit": 5.0, "recipe": "sum-switch", "takeover_cost": 0.01}, "leave takeover_cost out"),
    ],
)
def test_both_doors_refuse_what_would_never_fire(tmp_path, asked, message):
    path = guide(tmp_path / "g.safetensors", foresees=9.0, goes=STAYS)
    with pytest.raises(HandrailError, match=message):
        SafeExploration.with_guide(Walker(), path, **asked)
    with pytest.raises(HandrailError, match=message):
        handrail.guide_intervention(path, Walker, episode_length=20, **asked)


def test_too_much_is_two_steps_that_cost_what_one_does():
    assert takeover_cost(np.array([0, 0, 1, 1, 0], np.float32)) == 2.0
    assert takeover_cost(np.array([0, 0.25, 0.75], np.float32)) == 1.0
    assert takeover_cost(np.zeros(3, np.float32)) == 0.0


def test_a_guide_is_tried_at_what_it_was_trained_to_be_tried_at(tmp_path):
    path = guide(
        tmp_path / "g.safetensors", foresees=9.0, goes=STAYS, evaluation={"takeover_cost": 9.5}
    )
    few = {"episode_length": 20, "episodes": 1}
    assert try_guide(Walker, path, **few)["shielded_share"] == 0
    assert try_guide(Walker, path, takeover_cost=8.5, **few)["shielded_share"] == 1


def test_of_several_takeover_costs_one_is_proposed(tmp_path):
    """Where it predicts 3 everywhere it acts always below that, and never above."""
    path = guide(tmp_path / "g.safetensors", foresees=3.0, goes=STAYS)
    options = {"takeover_cost": [4.0, 2.0], "episode_length": 20, "episodes": 12}
    found = try_guide(Walker, path, limit=2.0, **options)
    assert [row["takeover_cost"] for row in found["takeovers"]] == [4.0, 2.0]
    assert [row["shielded_share"] for row in found["takeovers"]] == [0.0, 1.0]
    assert (found["takeover_cost"], found["shielded_cost"]) == (2.0, 0.0)
    calm = try_guide(Walker, path, limit=20.0, **options)
    assert (calm["takeover_cost"], calm["shielded_share"]) == (4.0, 0.0)  # no more than it has to
    rows = [{"shielded_cost": cost, "shielded_share": 1 / cost} for cost in (5.0, 3.0)]
    assert proposed(rows, 1.0) is rows[1]  # none keeps the limit


def test_students_and_wrappers_take_it(tmp_path):
    path = guide(tmp_path / "g.safetensors", foresees=3.0, goes=STAYS)
    learning = dataclasses.replace(FEW["learning"], cost_floor="guide")
    given = {**FEW, "learning": learning, "limit": 3.0, "guide_interval_share": 0.0}
    rates = {
        cost: train_student(Walker, path, tmp_path / str(cost), takeover_cost=cost, **given)[
            "intervention_rate"
        ]
        for cost in (2.9, 3.1)
    }
    assert rates[2.9] == 1 > rates[3.1]
    env = SafeExploration.with_guide(
        gymnasium.wrappers.TimeLimit(Env(), 20), path, limit=3.0, takeover_cost=2.9
    )
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[-1]["intervened"]
    with pytest.raises(HandrailError, match=r"both say where the guide takes over"):
        SafeExploration.with_guide(Env(), path, limit=3.0, takeover_cost=2.9, threshold=1.0)


def test_a_guide_that_fails_its_shield_test_says_where_it_should_take_over(tmp_path):
    train_guide(Walker, tmp_path / "a", limit=0.0, **FEW)
    card, _ = load(tmp_path / "a" / "guide.safetensors")
    rows = card.training["takeovers"]
    costs = [row["takeover_cost"] for row in rows]
    assert costs == pytest.approx([costs[0] * share for share in (1, 0.5, 0.2, 0.1, 0.05)])
    chosen = proposed(rows, 0.0)
    assert card.spec["takeover_cost"] == chosen["takeover_cost"]
    assert card.training["evaluation"]["shielded_cost"] == chosen["shielded_cost"]
    assert "takeovers" not in load(tmp_path / "a" / "best.safetensors")[0].training


@pytest.mark.parametrize(
    ("evaluation", "options", "expected"),
    [
        ({"takeover_cost": 2.5}, {}, 2.5),
        ({"takeover_cost": 2.5}, {"threshold": 3.0}, 3 * LIMIT_SEEN),
        ({"cost": 1.0}, {}, 2 * LIMIT_SEEN),  # of a file that does not say
        (None, {}, 2 * LIMIT_SEEN),
        ({"takeover_cost": 0.0}, {}, 2 * LIMIT_SEEN),  # of a guide that has met no cost
    ],
)
def test_where_budget_switch_hands_over(tmp_path, evaluation, options, expected):
    path = guide(tmp_path / "g.safetensors", foresees=9.0, goes=STAYS, evaluation=evaluation)
    found = guide_intervention(path, Walker(), recipe="budget-switch", limit=3.0, **options)
    leaves = jax.tree.leaves(found.when, is_leaf=lambda one: isinstance(one, CostCriticExceeds))
    thresholds = [leaf.threshold for leaf in leaves if isinstance(leaf, CostCriticExceeds)]
    assert thresholds == pytest.approx([expected])


def test_a_threshold_that_the_critic_never_predicts_is_refused(tmp_path):
    """Then it would never take over, and nobody would know: harm costs 1, and 1 / (1 - γ) = 100."""
    path = guide(
        tmp_path / "g.safetensors", foresees=9.0, goes=STAYS, evaluation={"takeover_cost": 2.0}
    )
    most = 100 / LIMIT_SEEN
    for recipe in ("budget-switch", "advantage-switch"):
        with pytest.raises(HandrailError, match=r"threshold .* would never take over"):
            SafeExploration.with_guide(
                gymnasium.wrappers.TimeLimit(Env(), 20), path, recipe=recipe, limit=3.0,
                threshold=most * 1.01,
            )  # fmt: skip
    with pytest.raises(HandrailError, match=r"threshold .* would never take over"):
        train_student(Walker, path, tmp_path / "s", threshold=1e30, **{**FEW, "limit": 3.0})
    env = gymnasium.wrappers.TimeLimit(Env(), 20)
    SafeExploration.with_guide(env, path, limit=3.0, threshold=most * 0.99)


def test_a_foreseen_cost_that_is_no_number_is_refused(tmp_path):
    path = guide(
        tmp_path / "g.safetensors", foresees=9.0, goes=STAYS, evaluation={"takeover_cost": "a"}
    )
    with pytest.raises(HandrailError, match="the card's takeover cost is 'a'"):
        guide_intervention(path, Walker(), recipe="budget-switch", limit=3.0)


@pytest.mark.parametrize(
    ("selection", "costs", "kept"),
    [("shield", [5.0, 1.0], 80), ("return", [5.0, 1.0], 40)],
)
def test_the_best_guard_is_kept(tmp_path, monkeypatch, selection, costs, kept):
    """Among evaluations within the limit; the bonus falls here from one to the next."""
    left, rewards = iter(costs), iter([3.0, 2.0])
    rest = {"shielded_share": 0.5, "takeover_cost": 2.0, **broken_limits(0, 1)}
    monkeypatch.setattr(
        training,
        "takeover_table",
        lambda *_, **options: [{"shielded_cost": next(left, 9.0), **rest}],
    )
    monkeypatch.setattr(
        training, "tested", lambda *_: {"return": next(rewards), "cost": 0.0, "length": 20.0}
    )
    path = train_guide(Walker, tmp_path, bonus=moved, limit=1.0, selection=selection, **FEW)
    assert load(path)[0].training["evaluation"]["step"] == kept


def test_a_guide_that_fails_is_doubted_by_its_student(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(
        "handrail.methods.sagui.own_problems.TAKEOVER_SHARES", ()
    )  # it is not tried to take over earlier
    few = FEW | {"shield_episodes": 3}
    path = train_guide(Walker, tmp_path / "guide", bonus=moved, limit=0.0, **few)
    evaluation = load(path)[0].training["evaluation"]
    cost = evaluation["shielded_cost"]
    assert evaluation["takeover_cost"] == 2.0  # costs are 0 or 1
    assert cost in read_table(path.parent / "evaluations.csv")["shielded_cost"]
    assert cost > 0.1  # hardly trained
    with caplog.at_level(logging.WARNING, "handrail"):
        doubted = train_student(Walker, path, tmp_path / "a", limit=0.1, **FEW)["guide_warnings"]
    assert len(doubted) == 1
    assert f"costs {cost:.3g} in 20 steps, more than the student's limit of 0.1" in doubted[0]
    assert [record.getMessage() for record in caplog.records] == [f"{path}: {doubted[0]}"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selection": "sheild"}, "'sheild': did you mean 'shield'"),
        ({"shield_episodes": 0}, "shield_episodes is 0: expected at least 1"),
    ],
)
def test_what_training_refuses(tmp_path, changes, message):
    with pytest.raises(HandrailError, match=message):
        train_guide(Walker, tmp_path / "run", **({"limit": 1.0} | FEW | changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (Walker, {"episodes": 0}, "episodes is 0: expected at least 1"),
        (Walker, {"takeover_cost": -1.0}, "takeover_cost is -1.0: expected at least 0"),
        (Walker, {"takeover_cost": None}, "does not say which predicted cost is too much"),
        (Walker, {"episode_length": None}, "says nothing of its time limit"),
        (
            lambda: gymnasium.make("CartPole-v1"),
            {},
            "for discrete ones there is handrail.train_dqn",
        ),
        (Laborious, {"limits": LIMITS}, "trained for one cost"),
    ],
)
def test_what_trying_refuses(tmp_path, kind, changes, message):
    path = guide(tmp_path / "g.safetensors", foresees=9.0, goes=STAYS)
    with pytest.raises(HandrailError, match=message):
        try_guide(kind, path, **({"takeover_cost": 2.0, "episode_length": 20} | changes))
