"""A plan of tasks: needs first, each once, failures reported while others finish."""

import concurrent.futures
import concurrent.futures.process
import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from handrail.core.errors import HandrailError, UnknownName
from handrail.experiments import launch, pool, worker
from handrail.experiments.plan import Task
from handrail.methods.contrastive.settings import QLearning
from handrail.tasks.family import Row
from handrail.tasks.lava.settings import LavaEncoder, LavaRun


class Inline:
    """An executor that does its work when it is asked to, in this process."""

    def submit(self, function, *arguments):
        future = concurrent.futures.Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_):
        pass


@pytest.fixture
def done(monkeypatch):
    """The folders worked on, in order; a task whose settings are an exception raises it."""
    worked = []

    def fake(task, report):
        report("it", 1, 2)
        worked.append(task.folder.name)
        if isinstance(task.settings, Exception):
            raise task.settings
        assert all(need.done for need in task.needs)
        task.folder.mkdir(parents=True)
        task.file.write_text("")

    monkeypatch.setattr(launch, "work", fake)
    monkeypatch.setattr(worker, "_forget_compiled", lambda: None)
    monkeypatch.setattr(pool, "_pool", lambda workers, context: Inline())
    return worked


def task(folder: Path, name: str, *needs: Task, kind="prior", settings=None, label="") -> Task:
    return Task(kind, folder / name, settings, needs, label or name)


def test_needs_come_first_and_shared_ones_once(done, tmp_path):
    a = task(tmp_path, "a")
    b = task(tmp_path, "b", a)
    c, d = task(tmp_path, "c", b, a, kind="run"), task(tmp_path, "d", b, kind="run")
    followed = []
    pool.compute([c, d, c], jobs=2, follow=lambda running, known: followed.append(len(known)))
    assert done == ["a", "b", "c", "d"]
    assert followed[-1] == 4
    pool.compute([c, d], jobs=2)
    assert len(done) == 4, "what is finished is not repeated"
    assert not list(tmp_path.glob(".*.progress"))


def test_a_failure_stops_only_what_needs_it(done, tmp_path):
    """Two priors share a label; only the run of the one that failed is given up."""
    bad = task(tmp_path, "bad", settings=HandrailError("no such layout"), label="prior")
    good = task(tmp_path, "good", label="prior")
    lost = task(tmp_path, "lost", bad, kind="run")
    lost_too = task(tmp_path, "lost too", lost, kind="run")
    kept = task(tmp_path, "kept", good, kind="run")
    with pytest.raises(pool.Failed) as caught:
        pool.compute([lost, lost_too, kept], jobs=1)
    assert done == ["bad", "good", "kept"]
    text = str(caught.value)
    assert "3 of the tasks failed" in text
    assert "prior: no such layout" in text
    assert "lost: what it needs has failed" in text
    assert kept.done
    assert not lost.done


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnknownName("environment", "Laava", ["Lava"]), "did you mean 'Lava'"),
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError(), "ValueError"),
    ],
)
def test_any_error_of_a_worker_is_told_in_words(done, tmp_path, error, text):
    with pytest.raises(pool.Failed, match=text):
        pool.compute([task(tmp_path, "a", settings=error)], jobs=1)


def test_a_worker_that_was_killed_is_told_in_words(monkeypatch, tmp_path):
    class Killed(Inline):
        def submit(self, function, *arguments):
            future = concurrent.futures.Future()
            future.set_exception(concurrent.futures.process.BrokenProcessPool("killed"))
            return future

    monkeypatch.setattr(pool, "_pool", lambda workers, context: Killed())
    monkeypatch.setattr(pool, "_terminate", lambda workers: None)
    with pytest.raises(pool.Failed, match=r"worker process was killed.*repeat the command"):
        pool.compute([task(tmp_path, "a")], jobs=1)


def test_an_interruption_ends_the_workers_and_reaches_the_caller(done, monkeypatch, tmp_path):
    ended = []
    monkeypatch.setattr(pool, "_terminate", ended.append)

    def follow(running, known):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.compute([task(tmp_path, "a"), task(tmp_path, "b")], jobs=1, follow=follow)
    assert len(ended) == 1
    assert done == ["a"]


@pytest.mark.parametrize("jobs", [0, -1])
def test_jobs_must_be_positive(tmp_path, jobs):
    with pytest.raises(HandrailError, match=f"jobs is {jobs}: expected at least 1"):
        pool.compute([task(tmp_path, "a")], jobs=jobs)


def test_the_environment_of_workers_is_put_back(done, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    pool.compute([task(tmp_path, "a")], jobs=1)
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_a_process_that_is_begun_is_not_interrupted_before_it_can_say_so():
    asked = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    with pool._uninterrupted():
        answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    assert answer.stdout == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.slow
def test_real_workers_do_real_lava_tasks(tmp_path):
    """A DQN of 100 steps finishes; an encoder on an unknown environment fails by name."""
    run = LavaRun("Empty-5x5", "dqn", steps=100, learning=QLearning(learning_starts=100))
    dqn = Task("run", tmp_path / "dqn", Row(run, {}, {"knowledge": "none"}), (), "dqn")
    settings = LavaEncoder(environment="LavaCrossingS9N9")
    encoder = Task("encoder", tmp_path / "encoder", settings, (), "encoder")
    needy = dataclasses.replace(dqn, folder=tmp_path / "full", needs=(encoder,), label="full")
    with pytest.raises(pool.Failed) as caught:
        pool.compute([needy, dqn], jobs=1)
    assert "2 of the tasks failed" in str(caught.value)
    assert "unknown environment 'LavaCrossingS9N9'" in str(caught.value)
    assert dqn.done
    assert (tmp_path / "dqn" / "policy.safetensors").is_file()
