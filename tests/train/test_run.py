"""What a run refuses, and what it leaves behind when learning fails."""

import dataclasses
import fcntl
import json
from typing import Any
from unittest import mock

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.core.files import read_json, write_json
from handrail.core.records import read_table
from handrail.envs.base import AbstractEnvironment
from handrail.train import run as train_run
from handrail.train.health import Diverged
from tests.train.small import SETTINGS, TOTAL, run, shared_loop, small_loop


@pytest.fixture(scope="module")
def loop():
    return shared_loop()


def untouched(folder):
    """Every file below the folder and its bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("total", [0, -10, 5, 4_005])
def test_a_budget_that_is_no_multiple_of_the_block_is_refused_before_anything_is_written(
    loop, tmp_path, total
):
    with pytest.raises(HandrailError, match=f"steps is {total}: expected a positive multiple"):
        run(dataclasses.replace(loop, total=total), tmp_path / "run")
    assert not list(tmp_path.iterdir())


class Costly(AbstractEnvironment):
    """The same where every step costs a tenth."""

    inner: Any
    actions: Any
    episode_length: int

    def reset(self, *, key):
        return self.inner.reset(key=key)

    def step(self, state, action, *, key):
        state, timestep = self.inner.step(state, action, key=key)
        return state, dataclasses.replace(timestep, cost=jnp.float32(0.1))


def test_small_costs_do_not_vanish_in_a_large_total(loop, tmp_path):
    """In single precision 400.0152, and after 3 million steps 290,775 in place of 300,000."""
    lava = loop.environment
    costly = Costly(lava, lava.actions, lava.episode_length)
    summary = run(dataclasses.replace(loop, environment=costly), tmp_path)
    assert summary["violations"] == pytest.approx(TOTAL * float(np.float32(0.1)), rel=1e-12)
    assert read_table(tmp_path / "progress.csv")["cost"][-1] == summary["violations"]


@given(
    block=st.integers(1, 1_500),
    blocks=st.integers(1, 30),
    starts=st.integers(0, 40_000),
    share=st.floats(0, 1),
)
def test_chunks_cover_every_step_once_wherever_a_run_goes_on(loop, block, blocks, starts, share):
    """Also where the block does not divide a chunk, or a checkpoint lies between two ends."""
    agent = dataclasses.replace(
        loop.agent, train_every=block, target_every=block, learning_starts=starts
    )
    long = dataclasses.replace(loop, agent=agent, total=block * blocks)
    done = int(share * blocks) * block
    with mock.patch.object(train_run, "CHUNK_STEPS", 1_000):
        chunks = list(train_run._chunks(long, done))
    step, silent = done, starts // block * block
    for count, learn in chunks:
        assert count > 0
        assert learn == (step >= silent)
        step += count * block
        assert learn or step <= silent, "no chunk is half silent"
        assert count * block <= max(1_000, block)
    assert step == block * blocks


def test_a_folder_with_other_settings_is_refused(loop, tmp_path):
    folder = tmp_path / "run"
    write_json(folder / "run.json", SETTINGS)
    (folder / "episodes.csv").write_text("step,return\n")
    before = untouched(folder)
    with pytest.raises(HandrailError, match=r"other settings.*choose another output folder"):
        run(loop, folder, settings={**SETTINGS, "rate": 0.5})
    assert {p: raw for p, raw in untouched(folder).items() if p.name != ".lock"} == before


def passed(rate, code="a"):
    """Settings with a description of a function that was passed in."""
    cost = {"function": "own.cost", "code": {"source": code}, "uses": {"RATE": rate}}
    return {**SETTINGS, "passed": {"cost": cost}}


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"steps": 1}, {"steps": 2}, "steps was 1, now 2; a run cannot grow"),
        ({}, {"steps": 2}, "steps was absent, now 2"),
        (passed(1.0), passed(2.0), "passed.cost.uses.RATE was 1.0, now 2.0"),
        (passed(1.0), passed(1.0, "b"), "passed.cost.code differs"),
    ],
)
def test_what_differs_from_the_folders_run_is_named(loop, tmp_path, before, now, message):
    write_json(tmp_path / "run.json", {**SETTINGS, **before})
    with pytest.raises(HandrailError, match=f"other settings .*{message}"):
        run(loop, tmp_path, settings={**SETTINGS, **now})


@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_a_record_that_is_none_is_refused(loop, tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(HandrailError, match=r"run\.json is damaged"):
        run(loop, tmp_path)


@pytest.mark.parametrize(
    ("before", "what"),
    [
        (SETTINGS, "passed"),
        ({**SETTINGS, "passed": {"cost": {"unidentified": "own.Cost"}}}, "passed.cost"),
    ],
)
def test_a_finished_run_that_cannot_be_compared_is_said_to_be_so(
    loop, tmp_path, caplog, before, what
):
    write_json(tmp_path / "run.json", before)
    write_json(tmp_path / "summary.json", {"steps": 3})
    now = passed(1.0) if what == "passed" else before
    assert run(loop, tmp_path, settings=now) == {"steps": 3}
    (record,) = caplog.records
    assert "finished run of 20" in record.getMessage()
    assert record.getMessage().endswith(f"not compared in {what}")
    assert read_json(tmp_path / "run.json") == json.loads(json.dumps(before))


def test_a_folder_with_foreign_files_is_refused_and_left_alone(loop, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    before = untouched(tmp_path)
    with pytest.raises(HandrailError, match=r"not empty \(thesis.tex\).*another output folder"):
        run(loop, tmp_path)
    assert untouched(tmp_path) == before


def test_a_folder_in_use_is_refused(loop, tmp_path):
    write_json(tmp_path / "run.json", SETTINGS)
    write_json(tmp_path / "summary.json", {"steps": 4_000})
    with open(tmp_path / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(HandrailError, match="in use by another handrail process"):
            run(loop, tmp_path)
    assert run(loop, tmp_path) == {"steps": 4_000}, "finished, and free again"


def test_a_path_that_is_a_file_is_refused(loop, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(HandrailError, match="cannot write into"):
        run(loop, tmp_path / "file")


def test_a_damaged_run_file_is_named(loop, tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(HandrailError, match=r"run\.json is damaged"):
        run(loop, tmp_path)


def test_divergence_is_an_error_that_keeps_what_was_recorded(tmp_path):
    folder, loop = tmp_path / "run", small_loop(rate=1e30)
    for _ in range(2):  # a repetition fails again; it does not pass for finished
        with pytest.raises(Diverged, match=r"losses/td.* not finite.*smaller learning rate"):
            run(loop, folder)
        progress = read_table(folder / "progress.csv")
        assert progress["step"].tolist() == [1000]
        assert len(read_table(folder / "episodes.csv")["step"]) == progress["episodes"][-1]
        assert not (folder / "summary.json").exists()
        assert not (folder / "policy.safetensors").exists()
    assert issubclass(Diverged, HandrailError)
