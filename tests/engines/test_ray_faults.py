"""What Ray says when something is lost, in words; progress is never needed. Without a cluster."""

import types
from pathlib import Path

import pytest

from handrail.core.errors import HandrailError
from handrail.engines import ray_engine
from handrail.engines.ray_board import Notices, teller
from handrail.engines.ray_engine import OnRay
from handrail.experiments.plan import SUMMARY, Task
from handrail.experiments.scheduler import Failed

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
lost = ray.exceptions


class Ray:
    """A cluster in this process: a task has ended as soon as it is sent."""

    exceptions = lost

    def __init__(self, results):
        self.results = {"board": {}} | dict(results)
        self.sent, self.cancelled, self.put = [], [], lambda files: files
        self.ended = False

    def remote(self, function=None, **options):
        if function is None:
            return self.remote
        return types.SimpleNamespace(remote=self.send, read=function)

    def send(self, *arguments):
        if not arguments:  # the board
            return types.SimpleNamespace(read=types.SimpleNamespace(remote=lambda: "board"))
        self.sent.append(arguments[0].folder.name)
        return self.sent[-1]

    def wait(self, references, num_returns, timeout):
        return references[:1], references[1:]

    def get(self, reference, timeout=None):
        result = self.results.get(reference, (None, {SUMMARY: b"{}"}))
        if isinstance(result, Exception):
            raise result
        return result

    def cancel(self, reference, force):
        self.cancelled.append(reference)
        raise ConnectionError("nobody there")

    def kill(self, actor):
        raise lost.ActorDiedError()

    def shutdown(self):
        self.ended = True


def compute(ray, monkeypatch, tasks):
    monkeypatch.setattr(ray_engine, "connect", lambda address: (ray, True))
    OnRay().compute(tasks, lambda running, done: None)


@pytest.fixture
def tasks(tmp_path):
    return [Task("run", tmp_path / name, None, (), name) for name in ("a", "b")]


LOSSES = [
    lost.ActorDiedError(),
    lost.ActorUnavailableError("restarting", b"0" * 16),
    lost.OutOfMemoryError("the node ran low on memory"),
    lost.GetTimeoutError("late"),
]


@pytest.mark.parametrize("error", LOSSES, ids=lambda error: type(error).__name__)
def test_no_task_is_lost_with_the_board(error, monkeypatch, tasks):
    cluster = Ray({"board": error})
    assert Notices(cluster).read() == {}
    compute(cluster, monkeypatch, tasks)
    assert all(task.done for task in tasks)
    assert cluster.ended


@pytest.mark.parametrize("board", [None, types.SimpleNamespace(write=None)])
def test_a_worker_does_not_mind_a_board_that_is_lost(board):
    teller(board, "folder")({"what": "run", "step": 1, "total": 2})


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (lost.OutOfMemoryError("low on memory\nmore"), "b: Ray ended its worker since"),
        (lost.WorkerCrashedError(), r"b: its worker died 4 times .*WorkerCrashedError"),
        (lost.RayTaskError("f", "Traceback\nmore", KeyError("x")), "b: KeyError: 'x'"),
        (ConnectionError("closed"), "b: the Ray cluster is lost: closed"),
        ((None, {"log.txt": b""}), f"b: .*the worker sent no {SUMMARY}"),
        (("no such layout", None), "b: no such layout"),
    ],
)
def test_a_task_that_is_lost_is_one_line_and_others_stay(error, text, monkeypatch, tasks):
    with pytest.raises(Failed, match=f"1 of the tasks failed: {text}") as caught:
        compute(Ray({"b": error}), monkeypatch, tasks)
    assert "\n" not in str(caught.value)
    assert tasks[0].done
    assert not tasks[1].done


LOST_AT_ALL = [
    lost.RaySystemError("the driver is disconnected\nTraceback"),
    lost.OutOfMemoryError("low on memory\nmore"),
    lost.ObjectStoreFullError("full\nmore"),
    ConnectionError("closed\nmore"),
]


@pytest.mark.parametrize("error", LOST_AT_ALL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["send", "wait"])
def test_a_cluster_that_is_lost_is_one_line_and_rows_stay(error, where, monkeypatch, tasks):
    cluster = Ray({})
    times = []

    def breaks(*arguments, **options):
        times.append(arguments)
        if len(times) > 1 and arguments:
            raise error
        return getattr(Ray, where)(cluster, *arguments, **options)

    monkeypatch.setattr(cluster, where, breaks)
    monkeypatch.setattr(ray_engine, "UNLIMITED", 1)
    with pytest.raises(HandrailError, match="the Ray cluster cannot be used") as caught:
        compute(cluster, monkeypatch, tasks)
    assert type(error).__name__ in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "repeat the command" in str(caught.value)
    assert cluster.ended
    if where == "wait":
        assert tasks[0].done
        assert cluster.cancelled == ["b"]


def test_many_failures_are_counted(monkeypatch, tmp_path: Path):
    tasks = [Task("run", tmp_path / str(n), None, (), f"task {n}") for n in range(300)]
    cluster = Ray({str(n): (f"wrong {n}", None) for n in range(300)})
    with pytest.raises(Failed, match=r"300 of the tasks failed: task 0: wrong 0; .*and 290 more$"):
        compute(cluster, monkeypatch, tasks)
