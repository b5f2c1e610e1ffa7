"""The velocity tasks as a family: settings, a run from guide to student, a check of transfer."""

from typing import Any

import pytest

from handrail.cli.check_transfer import check_task
from handrail.core.errors import HandrailError
from handrail.equations.budget import LIMIT_STEPS
from handrail.experiments import launch
from handrail.tasks.registry import family_of, look_at, with_defaults
from handrail.tasks.velocity.episode import record_runners
from handrail.tasks.velocity.family import VELOCITY
from handrail.tasks.velocity.problems import source_of

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")
SMALL = {
    "environment": "velocity-swimmer", "method": "budget-switch", "preset": "recommended",
    "steps": 200, "epoch": 200, "test_episodes": 1, "learning.hidden": [4], "learning.batch": 4,
    "learning.updates": 2, "learning.learning_starts": 100, "guide.steps": 200, "guide.epoch": 200,
    "guide.evaluation_episodes": 1, "guide.shield_episodes": 2, "guide.uniform_steps": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run, its guide beside it; without recorded episodes, which need graphics."""
    base = tmp_path_factory.mktemp("runs")
    options = {"files": {}, "knowledge_folder": base, "report": lambda *at: None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "keep_episodes", lambda *given: None)
        launch.train(VELOCITY.resolve(SMALL), out=base / "mine", **options)
    return base / "mine"


def guide_settings(**own):
    named = {f"guide.{name}": value for name, value in own.items()}
    return VELOCITY.resolve(SMALL | named).knowledge["guide"]


def test_usual_settings():
    assert family_of("velocity-ant-v0") is VELOCITY
    look_at("velocity-ant")
    given = {"environment": "velocity-halfcheetah", "seed": 0, "method": None, "steps": None}
    chosen = with_defaults(given, {})
    row = VELOCITY.resolve(chosen)
    run, guide = row.run, row.knowledge["guide"]
    assert (run.method, run.limit, run.steps) == ("budget-switch", 25.0, 3_000_000)
    assert (run.learning.hidden, run.learning.batch) == ((256, 256), 256)
    assert (run.learning.learning_rate, run.learning.discount) == (3e-4, 0.99)
    assert (guide.limit, guide.outside, guide.rescue.max_turn_rate) == (5.0, "ends", 0.0)
    assert guide.rescue.max_speed == pytest.approx(2 * 3.2096)
    assert (run.learning.inputs, run.learning.reward_scale) == ("raw", 1.0)
    assert run.source_data


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"outside": "homing"}, "guide.outside is 'homing'"),
        ({"rescue.max_turn_rate": 1.0}, "guide.rescue.max_turn_rate is 1.0"),
        ({"rescue.max_speed": 0.1}, "expected at least the threshold"),
        ({"bonus": "entropy"}, "guide.bonus is 'entropy'"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(own, message):
    with pytest.raises(HandrailError, match=message):
        source_of(guide_settings(**own))


def test_the_shield_is_tested_where_there_is_something_to_prevent():
    """Half of its starts are above the threshold; exits all are; the evaluation begins at rest."""
    source: Any = source_of(guide_settings())
    test, exits = source.shield_test.starts, source.exits.starts
    assert (test.slowest, exits.slowest) == (0.0, 0.2282)
    assert test.fastest == exits.fastest == pytest.approx(2 * 0.2282)
    assert test.share == exits.share == 1.0
    assert source.evaluation.starts is None
    assert source.interface.limit_steps == LIMIT_STEPS


def test_a_run_is_evaluated_alone_and_with_its_guide(folder):
    found = launch.evaluate(
        folder, episodes=1, seed=0, shielded=True, knowledge_folder=folder.parent
    )
    assert found["limit"] == 25.0
    assert found["mean_length"] == 1000
    assert 0 <= found["intervention_rate"] <= 1


def test_a_pair_that_has_faded_out_is_not_recorded(folder):
    guide = next((folder.parent / "knowledge").glob("*/guide.safetensors"))
    run = VELOCITY.resolve(SMALL | {"method": "linear-decay"}).run
    with pytest.raises(HandrailError, match="fade"):
        record_runners(run, folder / "policy.safetensors", {"guide": guide}, 1, 0, True)


def test_its_guide_is_checked_in_its_own_task_and_refused_in_anothers(folder):
    guide = next((folder.parent / "knowledge").glob("*/guide.safetensors"))
    verdict = check_task(guide, task="velocity-ant")
    assert any("it drove the robot 'Swimmer'" in reason for reason in verdict.reasons)
    with pytest.raises(HandrailError, match="task of lava"):
        check_task(guide, task="LavaCrossingS9N1")
