"""On-policy methods end to end on the toy: what they leave behind, resuming, what is refused."""

import dataclasses

import equinox as eqx
import jax
import pytest

from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.recorded import original, stable
from handrail.core.records import EVALUATIONS, read_table
from handrail.envs.changes import NOTHING_CHANGED
from handrail.experiments.launch import train
from handrail.methods.sagui import epochs
from handrail.methods.sagui.on_policy_settings import OnPolicySettings
from handrail.methods.sagui.pretraining import load_pretrained
from handrail.methods.sagui.settings import PretrainingSettings, StudentRun
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_student import check
from handrail.tasks.navigation.family import NAVIGATION, resolve_settings
from handrail.tasks.navigation.problems import target_of
from tests.experiments.navigation.toy import acquire_forebear, build, run_student, use_toy

SMALL = {
    "environment": "navigation-static", "seed": 0, "steps": 200, "epoch": 100, "limit": 1.0,
    "test_episodes": 2, "learning.hidden": [4], "learning.batch": 20,
    "on_policy.batch": 50, "on_policy.value_passes": 1,
}  # fmt: skip
ON_POLICY = [name for name, row in METHODS.items() if row.agent is not None]


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    use_toy(monkeypatch)


def small(method, **own):
    return resolve_settings(SMALL | {"method": method} | own)


def test_there_are_four_of_them():
    assert ON_POLICY == ["cpo", "cpo-pre", "ppo-lagrangian", "trpo-lagrangian"]


class Stopped(Exception):
    """Stands for a process that is killed."""


@pytest.mark.parametrize("method", ["cpo", "ppo-lagrangian"])
def test_a_run_leaves_its_epochs_and_resumes_exactly(tmp_path, monkeypatch, method):
    row = small(method)
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)
    whole = run_student(row.run, {}, tmp_path / "whole", settings={"n": 1})

    def stop(step, total):
        if step == 200:
            raise Stopped

    with pytest.raises(Stopped):
        run_student(row.run, {}, tmp_path / "cut", settings={"n": 1}, report=stop)
    again = run_student(row.run, {}, tmp_path / "cut", settings={"n": 1})
    for name in ("episodes.csv", "progress.csv", EVALUATIONS, "policy.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {**again, "wall_s": 0} == {**whole, "wall_s": 0}
    table = read_table(tmp_path / "whole" / EVALUATIONS)
    assert table["step"].tolist() == [100, 200] and (table["guide_share"] == 0).all()
    assert (table["behaviour_cost"] == 2.0).all() and (table["behaviour_episodes"] == 10).all()
    # two of ten steps cost 1, whatever is done: an episode costs one more than its limit
    progress = read_table(tmp_path / "whole" / "progress.csv")
    assert progress["onpolicy/excess"].tolist() == pytest.approx([1.0, 1.0])
    assert whole["epochs_above_limit"] == 2
    # every command for policies reads it
    assert (
        NAVIGATION.evaluate(
            row.run, tmp_path / "whole" / "policy.safetensors", 2, 0, NOTHING_CHANGED
        )["mean_cost"]
        == 2.0
    )


def test_cpo_pre_goes_on_from_cpo_in_the_source(tmp_path):
    row = small("cpo-pre", **{"pretrained.steps": 100})
    settings = row.knowledge["pretrained"]
    assert (settings.method, settings.copies) == ("cpo", row.run.copies)
    path = acquire_forebear(settings, tmp_path / "source")
    loop = build(row.run, {"pretrained": path})
    begun = loop.init(key=jax.random.key(0)).agent.learner
    fresh = build(small("cpo").run, {}).init(key=jax.random.key(0)).agent.learner
    card, arrays = load(path, expect="policy")
    assert card.training["settings"]["method"] == "cpo"
    assert (begun.parameters.actor.mean.weight == arrays["parameters.actor.mean.weight"]).all()
    assert not eqx.tree_equal(begun, fresh)
    target = target_of(row.run)
    with pytest.raises(HandrailError, match=r"trained by 'cpo', .* goes on from 'sac-lagrangian'"):
        load_pretrained(path, target, row.run.learning)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"replay": "split"}, "replay is 'split', but method 'cpo' is on-policy and learns from"),
        ({"learning.replay": 500}, "learning.replay is 500, but method 'cpo' is on-policy"),
        ({"learning.damping": 0.0}, "learning.damping is 0.0, .* leave it at 10.0"),
        ({"threshold": 3.0}, "threshold is 3, but under 'cpo' no predicted cost"),
        ({"guide_interval_share": 0.1}, "guide_interval_share is 0.1"),
        ({"on_policy.ppo.clip": 0.3}, "on_policy.ppo.clip is 0.3, but .* does not have it"),
        ({"on_policy.multiplier_rate": 0.3}, "on_policy.multiplier_rate is 0.3"),
        ({"epoch": 120, "steps": 240}, r"multiple of 50 \(on_policy.batch\)"),
        ({"copies": 3}, r"copies is 3: expected a divisor of 50 \(on_policy.batch\)"),
        ({"learning.batch": 51}, "minibatch is 51: expected a number from 1 to 50"),
    ],
)
def test_what_is_not_its_own_is_refused_in_one_line(own, said):
    with pytest.raises(HandrailError, match=said) as error:
        row = small("cpo", **own)
        check(row.run, {})
        build(row.run, {})
    assert "\n" not in str(error.value)


def test_on_policy_settings_are_refused_where_nothing_is_on_policy():
    run = resolve_settings({"environment": "navigation-static", "method": "sac-lagrangian"}).run
    own = dataclasses.replace(run, on_policy=OnPolicySettings(batch=7))
    with pytest.raises(HandrailError, match="'sac-lagrangian' learns from a replay"):
        check(own, {})


def test_a_guides_file_is_refused(tmp_path):
    with pytest.raises(HandrailError, match="method 'cpo' does not use guide files"):
        train(
            small("cpo"), files={"guide": tmp_path / "guide.safetensors"},
            knowledge_folder=tmp_path, out=tmp_path / "run", report=lambda *told: None,
        )  # fmt: skip


def test_older_runs_keep_their_records_and_names():
    for settings in (StudentRun(), PretrainingSettings()):
        assert not {"on_policy"} & {*stable(settings), *original(settings)}
    assert "method" not in stable(PretrainingSettings())
    run = StudentRun(on_policy=OnPolicySettings(batch=7))
    assert stable(run)["on_policy"]["batch"] == 7
