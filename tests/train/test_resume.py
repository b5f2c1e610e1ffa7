"""Resumed = uninterrupted, byte for byte, wherever a run is cut, and whatever lies damaged."""

import contextlib
import os
import random
import resource
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.records import EPISODE_COLUMNS, read_table
from handrail.train.checkpoint import clear_checkpoints, load_checkpoint, save_checkpoint
from tests.support import ROOT
from tests.train.small import SETTINGS, content, run, shared_loop

pytestmark = pytest.mark.optimized  # bit for bit


class Cut(BaseException):
    """Like Ctrl-C: no handler of `Exception` sees it."""


@pytest.fixture(scope="module")
def loop():
    return shared_loop()


@pytest.fixture(scope="module")
def whole(loop, tmp_path_factory):
    """The files of an uninterrupted run without any checkpoint."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    summary = run(loop, folder, checkpoint_seconds=1e9)
    return content(folder), summary, folder


def interrupted(loop, folder, at: int):
    """Cuts a run after the chunk that ends at step `at`, before its checkpoint is written."""

    def report(step, metrics):
        if step == at:
            raise Cut

    with pytest.raises(Cut):
        run(loop, folder, report=report)


def continued(loop, folder) -> list[int]:
    """Goes on to the end; the steps after which it reported."""
    steps = []
    run(loop, folder, report=lambda step, metrics: steps.append(step))
    return steps


@pytest.mark.parametrize("at", [1000, 3000])
def test_a_run_that_was_cut_ends_with_the_same_bytes(loop, whole, tmp_path, at):
    folder = tmp_path / "run"
    interrupted(loop, folder, at)
    assert continued(loop, folder) == list(range(at, 4001, 1000))
    assert content(folder) == whole[0]


def test_a_run_cut_again_and_again_ends_with_the_same_bytes(loop, whole, tmp_path):
    folder = tmp_path / "run"
    for at in (1000, 2000, 2000, 3000, 4000, 4000):
        interrupted(loop, folder, at)
    assert continued(loop, folder) == [4000]
    assert content(folder) == whole[0]


def checkpoints(folder):
    return sorted((folder / "checkpoints").glob("step-*"))


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "flipped": flip,
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(loop, whole, tmp_path, damage):
    folder = tmp_path / "run"
    interrupted(loop, folder, 4000)
    assert [path.stem for path in checkpoints(folder)] == ["step-0000002000", "step-0000003000"]
    DAMAGES[damage](checkpoints(folder)[-1])
    assert continued(loop, folder) == [3000, 4000]
    assert content(folder) == whole[0]


@contextlib.contextmanager
def full_disk(size: int):
    """No file of this process grows beyond `size` bytes: what the disk says when it is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_clear_error_and_leaves_the_last_good_checkpoint(loop, whole, tmp_path):
    folder = tmp_path / "run"
    interrupted(loop, folder, 3000)
    good = checkpoints(folder)
    half = good[-1].stat().st_size // 2
    assert (folder / "episodes.csv").stat().st_size < half, "so that tables fit"
    with full_disk(half), pytest.raises(HandrailError, match=r"cannot write .*step-0000003000"):
        run(loop, folder)
    assert sorted((folder / "checkpoints").iterdir()) == good, "no half of a file is left"
    assert continued(loop, folder) == [3000, 4000]
    assert content(folder) == whole[0]


def test_a_table_that_does_not_fit_is_one_clear_error(loop, whole, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    monkeypatch.setattr("handrail.train.run.record_environment", lambda folder: None)
    with full_disk(200), pytest.raises(HandrailError, match=r"cannot write .*episodes\.csv"):
        run(loop, folder, checkpoint_seconds=1e9)
    assert (folder / "episodes.csv").stat().st_size == 200, "a row was cut short"
    continued(loop, folder)
    assert content(folder) == whole[0]


def test_as_many_checkpoints_are_kept_as_one_wants(loop, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("HANDRAIL_CHECKPOINTS", "3")
    folder = tmp_path / "run"
    interrupted(loop, folder, 4000)
    assert [path.stem[-4:] for path in checkpoints(folder)] == ["1000", "2000", "3000"]
    for path in checkpoints(folder)[1:]:
        flip(path)
    assert continued(loop, folder) == [2000, 3000, 4000], "two damaged ones, and one is good"
    assert content(folder) == whole[0]


def test_the_environment_says_how_often_to_save(loop, tmp_path, monkeypatch):
    monkeypatch.setenv("HANDRAIL_CHECKPOINT_SECONDS", "1e9")
    interrupted(loop, tmp_path / "run", 4000)
    assert not checkpoints(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("HANDRAIL_CHECKPOINTS", "0", "HANDRAIL_CHECKPOINTS is 0: expected at least 1"),
        ("HANDRAIL_CHECKPOINTS", "two", "is 'two': expected a whole number"),
        ("HANDRAIL_CHECKPOINT_SECONDS", "-1", "is -1.0: expected at least 0"),
        ("HANDRAIL_CHECKPOINT_SECONDS", "nan", "is nan: expected at least 0"),
    ],
)
def test_senseless_ways_to_save_are_refused(loop, tmp_path, monkeypatch, name, value, text):
    monkeypatch.setenv(name, value)
    with pytest.raises(HandrailError, match=text):
        run(loop, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_any_usable_checkpoint_the_run_begins_again(loop, whole, tmp_path):
    folder = tmp_path / "run"
    interrupted(loop, folder, 4000)
    for path in checkpoints(folder):
        flip(path)
    assert continued(loop, folder) == [1000, 2000, 3000, 4000]
    assert content(folder) == whole[0]
    assert not checkpoints(folder), "a finished run needs none"


@pytest.mark.parametrize("tail", [b"3", b"3990,0.9,0.0,1", b"3990,0.9,0.0,12,0", b"\0" * 20])
def test_a_half_written_line_is_cut(loop, whole, tmp_path, tail):
    folder = tmp_path / "run"
    interrupted(loop, folder, 4000)
    for name in ("episodes.csv", "progress.csv"):
        with open(folder / name, "ab") as file:
            file.write(tail)
    continued(loop, folder)
    assert content(folder) == whole[0]


def test_a_checkpoint_between_the_ends_of_chunks_loses_no_step(loop, whole, tmp_path):
    """A version with other chunks wrote it: steps up to the next end used to be left out."""
    folder = tmp_path / "run"
    interrupted(loop, folder, 3000)  # the newest checkpoint is that of step 2000
    with mock.patch("tests.train.small.CHUNK", 3_000):
        assert continued(loop, folder) == [4000]
    for name in ("episodes.csv", "arrays.npz", "policy.safetensors"):
        assert (folder / name).read_bytes() == whole[0][name]


def test_a_finished_run_is_not_repeated(loop, whole, tmp_path):
    folder = tmp_path / "run"
    first = run(loop, folder)
    (folder / "episodes.csv").write_text("touched")
    assert run(loop, folder) == first == read_json(folder / "summary.json")
    assert (folder / "episodes.csv").read_text() == "touched"
    assert first["nothing"] is None, "JSON has no NaN"


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(whole, tmp_path):
    """SIGKILL between any two accesses to its files, four times in one folder."""
    events = random.Random(0).sample(range(1, 60), 4)
    command = [sys.executable, "-m", "tests.train.killed", str(tmp_path / "run")]
    # every child compiles the same program: all but the first find it
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    done = subprocess.run(
        [*command, *map(str, events), "0"],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | cache,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    ends = done.stdout.split()
    assert ends.count("killed") >= 3, ends
    assert content(tmp_path / "run") == whole[0]
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert {name for name in left if name.startswith(".")} == {".lock"}, "no temporary files"


def test_a_checkpoint_of_other_settings_is_refused(loop, tmp_path):
    state = {"x": loop.agent.loss.values.evaluate.frames}
    save_checkpoint(tmp_path, state, step=10, settings="a", wall=1.5)
    assert load_checkpoint(tmp_path, state, settings="a")[:2] == (10, 1.5)
    with pytest.raises(HandrailError, match=r"other settings.*another output folder"):
        load_checkpoint(tmp_path, state, settings="b")
    clear_checkpoints(tmp_path)
    assert load_checkpoint(tmp_path, state, settings="a") is None


def test_settings_are_compared_as_they_are_written(loop, whole, tmp_path):
    """A tuple reads back as a list, which is no other setting."""
    folder = tmp_path / "run"
    interrupted(loop, folder, 2000)
    assert SETTINGS["hidden"] == (8,)
    run(loop, folder, settings={**SETTINGS, "hidden": [8]})
    assert content(folder) == whole[0]


def test_the_tables_and_the_summary_tell_one_story(whole):
    _, summary, folder = whole
    episodes, progress = read_table(folder / "episodes.csv"), read_table(folder / "progress.csv")
    assert tuple(episodes) == EPISODE_COLUMNS
    assert progress["step"].tolist() == [1000, 2000, 3000, 4000]
    assert progress["episodes"][-1] == len(episodes["step"]) == summary["episodes"]
    ends = np.searchsorted(episodes["step"], progress["step"], side="right")
    np.testing.assert_array_equal(ends, progress["episodes"])
    # a last episode that has not ended is in the run's totals only
    assert 0 <= progress["cost"][-1] - episodes["cost"].sum() < 1
    assert progress["interventions"][-1] >= episodes["interventions"].sum()
    assert summary["violations"] == progress["cost"][-1]
    assert summary["steps"] == 4000
    np.testing.assert_allclose(summary["final_return"], episodes["return"].mean())
    lengths = np.diff(episodes["step"], prepend=0)
    np.testing.assert_array_equal(episodes["length"], lengths)
    assert np.isnan(progress["losses/td"][0]), "nothing was learnt in the first chunk"
    assert np.isfinite(progress["losses/td"][1:]).all()
    assert read_json(folder / "summary.json") == summary


def test_what_a_kill_in_the_first_moment_leaves_is_no_foreign_file(loop, tmp_path):
    """A temporary file of `run.json` must not lock the user out of the folder."""
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".run.json.a1b2c3d4").write_text('{"half')
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints").rmdir()
    run(loop, tmp_path)
    assert not list(tmp_path.glob(".run*"))
