"""A real Ray cluster of two nodes computes what this machine computes, workers killed or not."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from handrail.cli.reproduce import report_only, reproduce
from handrail.core.errors import HandrailError
from handrail.engines.ray_board import Notices
from handrail.engines.ray_engine import OnRay
from handrail.engines.transport import moved, scratch_folder
from handrail.experiments.plan import Task, plan
from handrail.experiments.scheduler import Failed
from handrail.experiments.schema import read
from handrail.experiments.worker import progress_file
from handrail.methods.contrastive.settings import QLearning
from handrail.tasks.family import Row
from handrail.tasks.lava.settings import LavaRun
from tests.engines.tiny import contents, table, tiny_experiment

pytest.importorskip("ray", reason="the extra 'ray' is not installed")
# Ray leaves sockets and files to the garbage collector, and announces its own plans.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def unused_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_that_nobody_answers_is_one_clear_error(tmp_path, scheme):
    address = f"{scheme}127.0.0.1:{unused_port()}"
    with pytest.raises(HandrailError, match=rf"no Ray cluster at address '{address}'.*refused"):
        OnRay(address).compute([Task("run", tmp_path / "r", None)], lambda running, done: None)


@pytest.mark.parametrize("address", ["cluster", "host:port", ":6379", "host:99999"])
def test_an_address_that_is_none_is_refused(tmp_path, address):
    with pytest.raises(HandrailError, match=r"expected auto, local, HOST:PORT or ray://HOST:PORT"):
        OnRay(address).compute([Task("run", tmp_path / "r", None)], lambda running, done: None)


def test_what_is_finished_needs_no_cluster(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    OnRay("127.0.0.1:1").compute([Task("run", tmp_path, None)], lambda running, done: None)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Every worker compiles the same programs: all but the first find them here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
        yield


@pytest.fixture(scope="module")
def here(compiled, tmp_path_factory):
    """The experiment computed by processes of this machine: its file, its table, its folder."""
    folder = tmp_path_factory.mktemp("here")
    name = tiny_experiment(folder)
    page, _ = reproduce(name, jobs=1, out=folder / "runs", quiet=True)
    return name, table(page), folder / "runs"


@pytest.fixture(scope="module")
def cluster(compiled):
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # of Ray's own, which is lower than that of other tests
    store = {"object_store_memory": 80 * 1024 * 1024}
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **store})
    nodes.add_node(num_cpus=1, **store)
    yield nodes
    nodes.shutdown()


class KillOnce:
    """Follows tasks, and kills the worker of the first run that has left a checkpoint.

    A run says how far it is before it saves that: one killed in between begins anew.
    """

    def __init__(self, shared: bool):
        self.shared, self.killed = shared, None
        self.steps_after = set()

    def __call__(self, running, done):
        for task in running:
            try:
                entry = json.loads(progress_file(task.folder).read_text())
            except (OSError, ValueError):
                continue
            if self.killed is None and task.kind == "run" and self.saved(task):
                self.killed = task.folder, entry["pid"]
                os.kill(entry["pid"], signal.SIGKILL)
            elif self.killed and self.killed == (task.folder, entry["pid"]):
                continue  # not yet overwritten by the next attempt
            elif self.killed and self.killed[0] == task.folder:
                self.steps_after.add(entry["step"])

    def saved(self, task):
        folder = task.folder
        if not self.shared:
            sender = f"{socket.gethostname()}|{Path.cwd()}"
            folder = moved(task, scratch_folder(sender, task)).folder
        return any((folder / "checkpoints").glob("step-*.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["sent", "shared"])
def test_a_killed_worker_changes_nothing(here, cluster, tmp_path, monkeypatch, shared):
    """Two nodes, one worker killed in the middle of a run: the same bytes as on this machine."""
    name, expected, out = here
    monkeypatch.setenv("HANDRAIL_CHECKPOINT_SECONDS", "0")
    tasks = [task for _, task in plan(read(name), "quick", None, tmp_path)]
    follow = KillOnce(shared)
    OnRay(cluster.address, shared=shared).compute(tasks, follow)
    assert follow.killed is not None
    assert follow.steps_after == {2000}, "it went on from its checkpoint of step 500"
    page, _ = report_only(name, out=tmp_path)
    assert table(page) == expected
    assert contents(tmp_path) == contents(out)
    assert not list(tmp_path.rglob(".*.progress"))


@pytest.mark.slow
def test_losing_the_board_loses_no_task(cluster, tmp_path, monkeypatch):
    """It is gone before the first of two tasks begins; the second begins after it was asked."""
    made = Notices.__init__

    def made_and_killed(self, ray):
        made(self, ray)
        ray.kill(self.board)

    monkeypatch.setattr(Notices, "__init__", made_and_killed)
    learning = QLearning(learning_starts=100, hidden=(8,), batch=16)
    tasks = []
    for seed in (1, 2):
        run = LavaRun("Empty-5x5", "dqn", seed=seed, steps=100, learning=learning)
        row = Row(run, {}, {"knowledge": "none"})
        tasks.append(Task("run", tmp_path / f"run-{seed}", row, (), "dqn"))
    OnRay(cluster.address, jobs=1).compute(tasks, lambda running, done: None)
    assert all(task.done for task in tasks)


@pytest.mark.slow
def test_a_failing_task_is_told_in_words_and_its_scratch_is_not_taken_for_a_result(
    here, cluster, tmp_path
):
    from handrail.tasks.lava.settings import LavaEncoder

    settings = LavaEncoder(environment="LavaCrossingS9N9")
    encoder = Task("encoder", tmp_path / "encoder", settings, (), "encoder")
    needy = Task("run", tmp_path / "run", None, (encoder,), "run")
    with pytest.raises(Failed, match=r"2 of the tasks failed.*unknown environment") as caught:
        OnRay(cluster.address).compute([needy], lambda running, done: None)
    assert "run: what it needs has failed" in str(caught.value)
    assert not encoder.folder.exists()
