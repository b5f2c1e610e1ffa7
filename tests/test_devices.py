"""The chosen device holds everything, and nothing leaves it while a loop runs.

Two CPU devices stand for a CPU and a GPU: their number is fixed once JAX has started, so these
run in a process of their own. A GPU itself is not needed, nor is it tested here
(`python -m benchmarks.seeds_at_once --device gpu` is what was run on one).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from handrail.cli.commands import main
from handrail.core import jax_setup
from handrail.core.errors import HandrailError

ROOT = Path(__file__).parents[1]
ON_THE_SECOND = """
import json, sys
import equinox as eqx, jax, numpy as np
from handrail.core import jax_setup
jax_setup.choose("cpu:1")
from tests.train.small import small_loop

second = jax.devices("cpu")[1]
loop = small_loop()
state = loop.init(key=jax.random.key(7))
state, _, _ = loop.blocks(state, 10, learn=True)
fetched = None
with jax.transfer_guard("disallow"):  # compiled by now: what is left is the loop itself
    state, records, metrics = loop.blocks(state, 10, learn=True)
    jax.block_until_ready(state)
    try:  # the negative arm: the guard does see what comes from the host
        foreign = eqx.tree_at(lambda s: s.progress.step, state, np.int32(0))
        loop.blocks(foreign, 10, learn=True)
    except Exception as error:
        fetched = type(error).__name__
everywhere = {d for a in jax.tree.leaves((state, records, metrics)) for d in a.devices()}
print(json.dumps({"only second": everywhere == {second}, "refused": fetched}))
"""


def run(code: str, **variables: str) -> dict:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **variables}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_loop_stays_on_the_chosen_device_and_asks_nothing_of_the_host():
    assert run(ON_THE_SECOND) == {"only second": True, "refused": "JaxRuntimeError"}


def test_a_worker_takes_the_device_of_the_environment():
    """The variable is what worker processes and nodes of a cluster are given."""
    code = """
import json
import jax
from pathlib import Path
from handrail.experiments.worker import attempt
from handrail.experiments.plan import Task
failure = attempt(Task("run", Path("x"), None), lambda entry: None)
print(json.dumps([str(jax.numpy.zeros(1).device), failure]))
"""
    where, _ = run(code, **{jax_setup.DEVICE: "cpu:1"})
    assert where.endswith("1")
    where, failure = run(code, **{jax_setup.DEVICE: "cpu:2"})
    assert where.endswith("0")
    assert "this machine has 2 of platform 'cpu'" in failure


AS_IF_A_GPU = """
import json
import jax
from handrail.core import jax_setup
there = jax.devices("cpu")
jax.devices = lambda platform: there
jax_setup.choose("gpu:1")
print(json.dumps([jax.config.jax_default_matmul_precision, str(jax.numpy.zeros(1).device)]))
"""


def test_products_on_an_accelerator_are_of_whole_numbers_unless_somebody_says_otherwise():
    """A GPU's default keeps 10 bits of a factor: losses would agree to a thousandth only."""
    precision, device = run(AS_IF_A_GPU)
    assert precision == "highest" and device.endswith("1")
    assert run(AS_IF_A_GPU, JAX_DEFAULT_MATMUL_PRECISION="default")[0] == "default"


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "Unknown backend.*handrail\\[cuda\\]"),
        ("cuda:x", "device 'cuda:x': expected cpu, gpu or tpu"),
        ("cpu:7", "this machine has 1 of platform 'cpu'"),
        ("", "device '': expected cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused(monkeypatch, device, message):
    monkeypatch.setenv(jax_setup.DEVICE, "cpu")
    with pytest.raises(HandrailError, match=message):
        jax_setup.choose(device)


def test_of_other_machines_only_the_name_is_checked(monkeypatch):
    monkeypatch.setenv(jax_setup.DEVICE, "cpu")
    jax_setup.choose("gpu", elsewhere=True)
    assert jax_setup.chosen() == "gpu"
    with pytest.raises(HandrailError, match="device 'gpu:': expected"):
        jax_setup.choose("gpu:", elsewhere=True)


def test_the_command_line_says_it_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(jax_setup.DEVICE, "cpu")
    monkeypatch.setattr(sys, "argv", ["handrail", "train", "--device", "gpu", "--out", "x"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "x").exists()
