"""`handrail evaluate --shielded`: a policy alone, and together with its intervention."""

import json

import jax.numpy as jnp
import pytest

from handrail.api.discrete import train_dqn
from handrail.api.guides import train_guide
from handrail.api.students import train_student
from handrail.cli import commands as cli
from handrail.cli.evaluate import evaluate
from handrail.cli.record import Asked, VideoLook, record
from handrail.core.errors import HandrailError
from handrail.envs.transfer import View
from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy
from tests.envs.toys import Walker
from tests.test_evaluate_own import FEW, LINE, WALKER, Line, Q

EPISODES = {"episodes": 3, "seed": 0, "shielded": True}


def hold(observation, key):
    """Back to 0, as far as one step goes."""
    return jnp.clip((-10 * observation[:1] - 1) / 3, -1, 1), {}


def back(observation, key):
    """The action of `Line` that leads towards 0."""
    return jnp.where(observation[0] > 0, 0, 1).astype(jnp.int32), {}


def beyond(context):
    return jnp.abs(context.observation[0]) > 0.05


HOLD, BACK = shield(beyond, Policy(hold)), shield(beyond, Policy(back))
SAME = View.keep(["position"])


@pytest.fixture(scope="module")
def guided(tmp_path_factory):
    """A student beside its guide."""
    folder = tmp_path_factory.mktemp("runs")
    guide = train_guide(Walker, folder / "guide", limit=1.0, **FEW)
    train_student(Walker, guide, folder / "student", limit=2.0, threshold=0.001, **FEW)
    return folder


def test_a_student_and_its_guide(guided, capsys, monkeypatch):
    found = evaluate(guided / "student", environment=WALKER, **EPISODES)
    assert found["shielded_mean_return"] != found["mean_return"]
    assert 0 < found["intervention_rate"] <= 1
    assert found["shielded_mean_length"] == 20
    alone = evaluate(guided / "student", environment=WALKER, **EPISODES | {"shielded": False})
    assert alone == {name: value for name, value in found.items() if name in alone}
    line = ["evaluate", str(guided / "student"), "--environment", WALKER, "--episodes", "3"]
    monkeypatch.setattr("sys.argv", ["handrail", *line, "--shielded"])
    cli.main()
    rate = found["intervention_rate"]
    said = f"{rate:.3f}" if rate < 1 else "1"
    assert f"intervention_rate        {said}\n" in capsys.readouterr().out


def test_a_mistyped_name_of_one_that_ships_is_told_the_nearest(guided, capsys, monkeypatch):
    for command in (["evaluate", "--shielded"], ["record", "--shielded"], ["check-triggers"]):
        line = ["handrail", *command, str(guided / "student"), "--guide", "navigation-statik"]
        monkeypatch.setattr("sys.argv", line)
        with pytest.raises(SystemExit):
            cli.main()
        assert "did you mean 'navigation-static'" in capsys.readouterr().err


def test_a_guide_that_is_elsewhere_has_to_be_named(guided, tmp_path):
    (guided / "student").rename(moved := tmp_path / "student")
    try:
        with pytest.raises(HandrailError, match=r"not found beside the run .*--guide FILE"):
            evaluate(moved, environment=WALKER, **EPISODES)
        files = {"guide": guided / "guide" / "guide.safetensors"}
        assert "intervention_rate" in evaluate(moved, environment=WALKER, files=files, **EPISODES)
        files = {"guide": moved / "policy.safetensors"}
        with pytest.raises(HandrailError, match="the guide of this run is not the file"):
            evaluate(moved, environment=WALKER, files=files, **EPISODES)
    finally:
        moved.rename(guided / "student")


@pytest.mark.parametrize(
    ("train", "make", "name", "where"),
    [
        (
            lambda folder: train_student(
                Walker, None, folder, method="sac-lagrangian", limit=2.0, intervention=HOLD, **FEW
            ),
            Walker, "HOLD", WALKER,
        ),
        (
            lambda folder: train_dqn(
                Line, folder, steps=40, episode_length=20, evaluation_episodes=2, learning=Q,
                intervention=BACK,
            ),
            Line, "BACK", LINE,
        ),
    ],
    ids=["student", "dqn"],
)  # fmt: skip
def test_a_shield_of_the_users_is_named(tmp_path, train, make, name, where):
    train(tmp_path)
    with pytest.raises(HandrailError, match="given a intervention of yours: add --intervention MO"):
        evaluate(tmp_path, environment=where, **EPISODES)
    for wrong in (f"{__name__}:hold", f"{__name__}:nothing"):
        with pytest.raises(HandrailError, match="--intervention"):
            evaluate(tmp_path, environment=where, intervention=wrong, **EPISODES)
    found = evaluate(tmp_path, environment=where, intervention=f"{__name__}:{name}", **EPISODES)
    assert found["shielded_mean_cost"] == 0 and 0 < found["intervention_rate"] <= 1
    with pytest.raises(HandrailError, match="given no view: leave --view out"):
        if make is Line:
            pytest.skip("Q-functions have no view")
        evaluate(
            tmp_path, environment=where, intervention=f"{__name__}:{name}",
            view=f"{__name__}:SAME", **EPISODES,
        )  # fmt: skip


def test_where_there_is_no_pair(guided, tmp_path):
    with pytest.raises(HandrailError, match="a guide's run, which has no intervention"):
        evaluate(guided / "guide", environment=WALKER, **EPISODES)
    alone = tmp_path / "alone"
    train_student(Walker, None, alone, method="sac-lagrangian", limit=2.0, **FEW)
    with pytest.raises(HandrailError, match="no intervention, so there is no pair"):
        evaluate(alone, environment=WALKER, **EPISODES)
    stored = json.loads((guided / "student" / "run.json").read_text())
    stored["run"]["method"] = "linear-decay"
    faded = tmp_path / "faded" / "student"
    faded.mkdir(parents=True)
    for file in (guided / "student").iterdir():
        (faded / file.name).write_bytes(file.read_bytes())
    (faded / "run.json").write_text(json.dumps(stored))
    files = {"guide": guided / "guide" / "guide.safetensors"}
    with pytest.raises(HandrailError, match="fades out"):
        evaluate(faded, environment=WALKER, files=files, **EPISODES)
    asked = Asked(environment=WALKER, files=files, shielded=True)
    with pytest.raises(HandrailError, match="fades out"):
        record([faded], tmp_path / "faded.html", asked, VideoLook())
