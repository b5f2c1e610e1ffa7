"""Whoever needs what another process computes waits for it, and takes over if that one dies."""

import contextlib
import fcntl
import subprocess
import sys

import pytest

from handrail.core.errors import HandrailError
from handrail.experiments import launch, worker
from handrail.experiments.locks import exclusive
from handrail.experiments.plan import Task

HOLDER = """
import sys
from pathlib import Path
from handrail.experiments.locks import exclusive

folder = Path(sys.argv[1])
with exclusive(folder):
    print("held", flush=True)
    sys.stdin.read()
    folder.mkdir()
    (folder / "prior.safetensors").write_text("by the first")
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that is at a folder until it is told to finish, or killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "prior")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def task(tmp_path):
    return Task("prior", tmp_path / "prior", None, (), "prior")


@pytest.fixture
def worked(monkeypatch):
    """The tasks that were computed in this process."""
    tasks = []

    def fake(task, report):
        tasks.append(task)
        task.folder.mkdir()
        task.file.write_text("by the second")

    monkeypatch.setattr(launch, "work", fake)
    monkeypatch.setattr(worker, "_forget_compiled", lambda: None)
    return tasks


def content(task):
    return task.file.read_text()


def test_the_second_waits_for_the_first(holder, task):
    said = []

    def waiting(text):
        said.append(text)
        holder.stdin.close()

    with exclusive(task.folder, waiting):
        assert content(task) == "by the first"
    assert said == [f"another handrail process is at {task.folder}; waiting"]


def test_a_worker_computes_nothing_that_another_process_has_finished(holder, task, worked):
    told = []

    def publish(entry):
        told.append(entry["what"])
        holder.stdin.close()

    assert worker.attempt(task, publish) is None
    assert (told, worked, content(task)) == ([worker.WAITING], [], "by the first")


def test_a_worker_takes_over_from_a_process_that_was_killed(holder, task, worked):
    assert worker.attempt(task, lambda entry: holder.kill()) is None
    assert (worked, content(task)) == ([task], "by the second")


def test_a_lock_that_was_waited_for_keeps_others_out(holder, task):
    """The first removes its file, of which the second then holds the lock: it must begin anew."""
    path = task.folder.with_name(".prior.lock")
    with exclusive(task.folder, lambda text: holder.stdin.close()), open(path) as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not path.exists(), "nothing is left"


def test_an_error_releases_the_lock(task):
    with contextlib.suppress(ZeroDivisionError), exclusive(task.folder):
        1 / 0  # noqa: B018
    with exclusive(task.folder, lambda text: pytest.fail(text)):
        pass


def test_where_no_lock_can_be_had_it_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HandrailError, match=r"cannot lock .*File exists"):
        with exclusive(tmp_path / "file" / "prior"):
            pass
