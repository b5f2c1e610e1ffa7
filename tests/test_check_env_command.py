"""`handrail check-env`: how environments are named, and what the exit code says."""

import subprocess
import sys

import pytest

from handrail.cli.check_env import check_env
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.named import attribute, factory

COSTS = "def cart(obs, action, next_obs, info):\n    return float(abs(next_obs[2]) > 0.1)\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_costs.py").write_text(COSTS)
    (tmp_path / "my_broken.py").write_text("raise RuntimeError('half written')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "my_costs"
    sys.modules.pop("my_costs", None)


def test_names_of_environments(module):
    pytest.importorskip("minigrid")
    assert factory("CartPole-v1")().spec.id == "CartPole-v1"
    assert factory("minigrid:MiniGrid-LavaGapS5-v0")().spec.id == "MiniGrid-LavaGapS5-v0"
    assert factory("tests.envs.toys:Walker")().length == 20
    assert attribute("my_costs:cart", "--cost-fn")([0], 0, [0, 0, 1], {}) == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("Nope-v0", "Gymnasium does not know 'Nope-v0'"),
        ("gymnasium:Nope-v0", "gymnasium has no 'Nope-v0', and Gymnasium"),
        ("no_such_module:X", "cannot import the module 'no_such_module'"),
        ("my_broken:X", "raised RuntimeError: half written"),
        ("tests.envs.toys:BOX", "is a Box; expected a function or class"),
        ("gymnasium:", "names no environment"),
    ],
)
def test_names_that_lead_nowhere(module, target, message):
    with pytest.raises(HandrailError, match=message):
        factory(target)


@pytest.mark.parametrize("target", ["my_costs", "my_costs:", "my_costs:nope", "nope:cart"])
def test_cost_functions_that_are_not_there(module, target):
    with pytest.raises(HandrailError, match=r"expected MODULE:NAME|cannot import"):
        attribute(target, "--cost-fn")


def test_what_is_printed(module, capsys):
    assert not check_env("CartPole-v1", cost_fn=None, steps=50, seed=0)
    text = " ".join(capsys.readouterr().out.split())
    assert "✗ cost" in text and "1 to fix" in text
    assert check_env("CartPole-v1", cost_fn="my_costs:cart", steps=200, seed=0)
    assert "nothing to fix" in capsys.readouterr().out


def test_exit_codes(module, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "handrail", "check-env", "CartPole-v1", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True).returncode

    assert run("--steps", "50") == 2
    assert run("--steps", "50", "--cost-fn", "my_costs:cart") == 0
