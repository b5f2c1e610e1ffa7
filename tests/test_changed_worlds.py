"""`handrail evaluate --changes` and `handrail check-robustness`: what they measure and refuse."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from handrail.cli.changed import changes_of
from handrail.cli.check_robustness import check_robustness
from handrail.cli.commands import main
from handrail.core.errors import HandrailError
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.navigation.compiled import CompiledNavigation
from handrail.envs.navigation.tasks import TASKS
from handrail.envs.perturbed import HostPerturbed, Perturbed, changed_host
from handrail.tasks.lava import family as lava
from handrail.tasks.navigation import robustness as measured
from handrail.tasks.navigation.changed import changed, physics_of
from handrail.transfer_check import robustness
from handrail.transfer_check.robustness import axis_of, worlds_of
from tests.envs.toys import Walker
from tests.experiments.navigation import toy


def test_changes_are_named_on_the_command_line():
    assert changes_of(["mass=1.5", "delay=2"]) == Changes(mass=1.5, delay=2)
    assert changes_of([]) == NOTHING_CHANGED
    assert changes_of(["noise=0.1", "delay=2"]).words == "noise 0.1, delay 2"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("mas=1.5", "did you mean 'mass'"),
        ("mass", "expected name=value"),
        ("mass=0", "mass is 0.0: expected above 0"),
        ("disturbance=1.5", "disturbance is 1.5: expected from 0 to 1"),
        ("delay=1.5", "'delay' is 1.5: expected int"),
    ],
)
def test_what_is_no_change_is_one_line(word, message):
    with pytest.raises(HandrailError, match=message):
        changes_of([word])


def test_a_changed_navigation_task():
    env = CompiledNavigation(TASKS["navigation-static"])
    assert changed(env, NOTHING_CHANGED) is env and physics_of(NOTHING_CHANGED) is None
    np.testing.assert_allclose(physics_of(Changes(mass=1.5, gain=0.5)).low, [1.5, 1, 0.5])
    assert changed(env, Changes(mass=1.5)) is env  # its physics are changed, and nothing else
    noisy = changed(env, Changes(noise=0.1))
    assert isinstance(noisy, Perturbed)
    assert dict(noisy.chain.parts[0].scales)["accelerometer"] == pytest.approx(10)


def test_an_environment_of_the_users_has_actuators_and_sensors_but_no_physics():
    host = GymnasiumHost(Walker())
    assert changed_host(host, NOTHING_CHANGED, name="Line") is host
    assert isinstance(changed_host(host, Changes(gain=0.5), name="Line"), HostPerturbed)
    with pytest.raises(HandrailError, match="does not vary the physics of Line"):
        changed_host(host, Changes(damping=0.5), name="Line")


def test_lava_has_no_bodies():
    run = lava.LavaRun()
    for call in (lambda c: lava.evaluate(run, Path("x"), 1, 0, c),
                 lambda c: lava.shielded(run, {}, Path("x"), 1, 0, c)):  # fmt: skip
        with pytest.raises(HandrailError, match=r"\(mass 2\), but lava is a grid"):
            call(Changes(mass=2.0))


def test_the_worlds_of_a_grid():
    worlds = worlds_of(8)
    grid = {(world.mass, world.damping) for world in worlds if world.gain == 1}
    assert len(worlds) == len(set(worlds)) == 1 + 64 + 15
    expected = np.linspace(0.5, 1.5, 8).round(4)
    assert {mass for mass, _ in grid} == {*expected, 1.0} and axis_of(8) == tuple(expected)


@pytest.fixture
def short(monkeypatch):
    """Two worlds besides the grid, in the toy, which costs 2 in every episode of 10 steps."""
    monkeypatch.setattr(measured, "navigation_problem", toy.toy_problem)
    monkeypatch.setattr(robustness, "SINGLE", (Changes(noise=0.1), Changes(delay=1)))


def test_a_guide_is_measured_in_every_world_and_shown(short, tmp_path, monkeypatch, capsys):
    guide, out = toy.write_guide(tmp_path / "guide.safetensors"), tmp_path / "page.html"
    words = ["check-robustness", str(guide), "--task", "navigation-static", "--side", "2"]
    monkeypatch.setattr(sys, "argv", ["handrail", *words, "--episodes", "2", "--out", str(out)])
    with toy.unchecked():
        main()
    raw = json.loads(out.with_suffix(".json").read_text())
    assert raw["limit"] == TASKS["navigation-static"].limit
    rows = raw["worlds"]
    assert len(rows) == 2 * len(worlds_of(2)) == 14
    assert {row["cost"] for row in rows} == {200.0} and {row["above"] for row in rows} == {1.0}
    assert "mass and damping from 0.5 to 1.5, worst" in out.read_text(encoding="utf-8")
    assert "page:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 1}, "side is 1: expected at least 2"),
        ({"episodes": 0}, "episodes is 0: expected at least 1"),
        ({"out": Path("page.png")}, r"expected a page, such as robustness\.html"),
        ({"guide": Path("other.safetensors")}, "is a guide itself: leave --guide out"),
        ({}, "does not say which task it is for; give --task"),
        ({"task": "navigation-statc"}, "did you mean 'navigation-static'"),
    ],
)
def test_bad_input_is_one_line(tmp_path, options, message):
    guide = toy.write_guide(tmp_path / "guide.safetensors")
    with pytest.raises(HandrailError, match=message):
        check_robustness(guide, **options)
