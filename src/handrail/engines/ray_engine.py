"""Tasks on an existing Ray cluster (the extra `ray`), one a Ray task.

By default nothing but Ray connects the machines: what a task needs is sent along, it computes
in a scratch folder of its node, and the finished folder comes back as bytes, which this
process writes. A task whose worker dies is tried again; on the same node it goes on from its
checkpoint. With `shared`, the output folder is one that all nodes see: tasks then compute in
it directly, and go on from their checkpoints wherever they are tried again.
"""

import contextlib
import dataclasses
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError, first_line
from handrail.core.files import write_json
from handrail.core.jax_setup import GPUS, chosen, parse
from handrail.core.versions import differing, versions
from handrail.engines import transport
from handrail.engines.base import RETRIES, AbstractEngine, worker_environment
from handrail.engines.ray_board import Notices, teller
from handrail.experiments.groups import AnyWork
from handrail.experiments.locks import exclusive
from handrail.experiments.plan import Task
from handrail.experiments.scheduler import AbstractExecutor, Follow, check_jobs, drive
from handrail.experiments.worker import WAITING, attempt, compute_in_place, progress_file

ANSWER_SECONDS = 5.0
MEMORY_RETRIES = 15  # of a task that Ray ended to save memory; Ray's own number is without limit
UNLIMITED = 10_000  # tasks that Ray may hold; it runs as many as there are cores


@dataclasses.dataclass(frozen=True)
class OnRay(AbstractEngine):
    """A Ray cluster."""

    address: str = "auto"
    """`auto` (the cluster this machine belongs to), HOST:PORT, or ray://HOST:PORT."""
    jobs: int | None = None
    """Tasks at a time; by default as many as the cluster has cores."""
    shared: bool = False
    """Whether every node sees the output folder under the same path."""
    retries: int = RETRIES
    """How often a task is tried again whose worker died."""

    def compute(self, tasks: Iterable[Task], follow: Follow, *, vmapped: bool = False) -> None:
        """Computes tasks on the cluster and collects their folders here.

        Raises `HandrailError` with `vmapped` unless the folder is shared.
        """
        check_jobs(self.jobs)
        if vmapped and not self.shared:
            raise HandrailError(
                "--vmapped on Ray needs an output folder that every node sees: add --shared, or "
                "leave --vmapped out"
            )
        drive(tasks, lambda waiting: Cluster(self), follow=follow, vmapped=vmapped)


class Cluster(AbstractExecutor):
    """The connection to a Ray cluster and the tasks that are there."""

    def __init__(self, engine: OnRay):
        self._engine = engine
        self._ray, self._ours = connect(engine.address)
        options = {"num_cpus": 1, "max_retries": engine.retries}
        if parse(chosen())[0] in GPUS:
            options["num_gpus"] = 1  # Ray hides GPUs from tasks that ask for none
        self._versions = versions()
        with _in_words(self._ray):
            self._remote = self._ray.remote(**options)(_in_place if engine.shared else _elsewhere)
            self._notices = None if engine.shared else Notices(self._ray)
        self._tasks: dict[Any, AnyWork] = {}
        self._needed: dict[Path, Any] = {}

    @property
    def slots(self) -> int:
        """Ray queues what does not run yet, which also lets a cluster grow."""
        return self._engine.jobs or UNLIMITED

    def submit(self, work: AnyWork) -> None:
        """Sends work, and what it needs once for all tasks that need it."""
        with _in_words(self._ray):
            self._tasks[self._sent(work)] = work

    def _sent(self, work: AnyWork) -> Any:
        if self._notices is None:  # the folder is shared
            return self._remote.remote(work.absolute(), self._versions)
        (task,) = work.tasks
        for need in task.needs:
            if need.folder not in self._needed:
                self._needed[need.folder] = self._ray.put(transport.result_of_need(need))
        contents = [self._needed[need.folder] for need in task.needs]
        sender = f"{socket.gethostname()}|{Path.cwd()}"
        needs = tuple(dataclasses.replace(need, needs=()) for need in task.needs)
        sent = dataclasses.replace(task, needs=needs)
        return self._remote.remote(sent, sender, self._versions, self._notices.board, *contents)

    def finished(self, seconds: float) -> dict[Path, str | None]:
        """What has ended, its files written."""
        if not self._tasks:
            return {}
        with _in_words(self._ray):
            ended, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
            self._tell()
        return {(task := self._tasks.pop(one)).folder: self._collect(one, task) for one in ended}

    def at_work(self, work: AnyWork) -> bool:
        """Whether its worker has said anything yet."""
        return any(progress_file(task.folder).exists() for task in work.tasks)

    def close(self) -> None:
        """Leaves the cluster as it is, unless it was begun for this."""
        if self._notices is not None:
            self._notices.close()
        if self._ours:
            self._ray.shutdown()

    def stop(self) -> None:
        """Ends the tasks that run or wait."""
        for reference, work in self._tasks.items():
            with contextlib.suppress(Exception):
                self._ray.cancel(reference, force=True)
            for task in work.tasks:
                progress_file(task.folder).unlink(missing_ok=True)
        self.close()

    def _collect(self, reference: Any, work: AnyWork) -> str | None:
        for task in work.tasks:
            progress_file(task.folder).unlink(missing_ok=True)
        try:
            failure, files = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return self._died(error)
        except ConnectionError as error:
            return f"the Ray cluster is lost: {first_line(error)}"
        if failure is None and files is not None:
            (task,) = work.tasks
            try:
                transport.unpack(files, task)
            except HandrailError as error:
                return str(error)
        return failure

    def _died(self, error: Any) -> str:
        """Why a task has no result, in words."""
        if isinstance(error, self._ray.exceptions.OutOfMemoryError):
            return (
                "Ray ended its worker since the node ran out of memory; use fewer --jobs, or nodes "
                "with more memory"
            )
        cause = getattr(error, "cause", None)  # of what the task itself raised
        if cause is not None:
            return f"{type(cause).__name__}: {first_line(cause)}"
        times = self._engine.retries + 1
        return f"its worker died {times} times (out of memory?); Ray says {type(error).__name__}"

    def _tell(self) -> None:
        """Writes what the workers say where followers look for it."""
        if self._notices is None:
            return
        said = self._notices.read()
        for task in (one for work in self._tasks.values() for one in work.tasks):
            if str(task.folder) in said:
                with contextlib.suppress(HandrailError):
                    write_json(progress_file(task.folder), said[str(task.folder)])


@contextlib.contextmanager
def _in_words(ray: Any) -> Iterator[None]:
    """Whatever Ray raises, in one line."""
    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise HandrailError(
            f"the Ray cluster cannot be used ({type(error).__name__}: {first_line(error)}); what "
            "is finished is kept, repeat the command to go on from there"
        ) from None


def connect(address: str) -> tuple[Any, bool]:
    """Ray, connected; and whether it was this call that connected it."""
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_task_oom_retries", str(MEMORY_RETRIES))
        import ray
    except ImportError:
        raise HandrailError(
            "the engine 'ray' needs Ray: install it with `pip install 'handrail[ray]'`"
        ) from None
    if ray.is_initialized():
        return ray, False
    _answers(address)
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": worker_environment()},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        raise HandrailError(
            f"no Ray cluster at address {address!r} ({first_line(error)}); "
            f"start one with `ray start "
            "--head`, or name its address with --address HOST:PORT"
        ) from None
    return ray, True


def _answers(address: str) -> None:
    """Asks for a connection first: Ray itself would try for minutes."""
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise HandrailError(
            f"Ray address {address!r}: expected auto, local, HOST:PORT or ray://HOST:PORT"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise HandrailError(
            f"no Ray cluster at address {address!r}: {error.strerror or error}; check the "
            "address and that the cluster is up (`ray status`)"
        ) from None


def _in_place(work: AnyWork, expected: dict[str, str]) -> tuple[str | None, None]:
    """Runs on a node that sees the output folder."""
    return differing(expected) or compute_in_place(work), None


def _elsewhere(
    task: Task, sender: str, expected: dict[str, str], board: Any, *contents: transport.Files
) -> tuple[str | None, dict[str, bytes] | None]:
    """Runs on a node of its own."""
    difference = differing(expected)
    if difference is not None:
        return difference, None
    tell = teller(board, str(task.folder))
    scratch = transport.scratch_folder(sender, task)
    waiting = {"what": WAITING, "step": 0, "total": 1}
    try:
        with exclusive(scratch, waiting=lambda text: tell(waiting)):
            here = transport.moved(task, scratch)
            transport.place_needs(here, list(contents))
            failure = attempt(here, tell)
            if failure is not None:
                return failure, None
            files = transport.pack(here.folder)
            transport.discard(scratch)
    except HandrailError as error:
        return str(error), None
    return None, files
