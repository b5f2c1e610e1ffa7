"""One attempt at a task inside a worker: what it does is told, what goes wrong becomes text."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.core.files import write_json
from handrail.experiments.groups import AnyWork, TaskGroup
from handrail.experiments.locks import exclusive
from handrail.experiments.plan import Task

# Read by XLA when a worker imports jax: one thread a process, so that cores are not fought over.
SINGLE_THREADED = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "NPROC": "1",  # XLA's pool, which else hands the many small parts of a call about
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

WAITING = "waiting for another process"
Publish = Callable[[dict[str, Any]], None]


def attempt(task: Task, publish: Publish) -> str | None:
    """Computes one task; returns what went wrong, as text: not every exception can be sent.

    `publish` is given what is being done (`what`, `step`, `total`), when and in which process,
    at most twice a second. A task that another process is computing is waited for, and computed
    here only if that process did not finish it.
    """
    from handrail.core.jax_setup import settle
    from handrail.experiments.launch import work

    report = _reporter(publish)
    try:
        settle()
        with exclusive(task.folder, waiting=lambda text: report(WAITING, 0, 1)):
            if not task.done:
                work(task, report)
    except Exception as error:
        return _in_words(error)
    finally:
        _forget_compiled()
    return None


def attempt_group(group: TaskGroup, publishers: Mapping[Path, Publish]) -> str | None:
    """The same for a group, as one program as far as that goes; `publishers` by folder.

    One that fails does not end the others; what went wrong is told of each.
    """
    from handrail.core.jax_setup import settle
    from handrail.experiments.launch import work
    from handrail.train.together import together

    try:
        settle()
        with contextlib.ExitStack() as held:
            reports = {task.folder: _reporter(publishers[task.folder]) for task in group.tasks}
            for task in sorted(group.tasks, key=lambda task: task.folder):  # as every process does
                report = reports[task.folder]
                held.enter_context(
                    exclusive(task.folder, waiting=lambda text, tell=report: tell(WAITING, 0, 1))
                )
            ends = together(
                [work.course(task, reports[task.folder]) for task in group.tasks if not task.done]
            )
    except Exception as error:
        return _in_words(error)
    finally:
        _forget_compiled()
    return "; ".join(_in_words(end) for end in ends if isinstance(end, Exception)) or None


def compute_in_place(work: AnyWork) -> str | None:
    """An attempt whose progress is told in files beside the tasks' folders."""
    paths = {task.folder: progress_file(task.folder) for task in work.tasks}
    tellers = {folder: partial(write_json, path) for folder, path in paths.items()}
    try:
        if isinstance(work, TaskGroup):
            return attempt_group(work, tellers)
        return attempt(work, tellers[work.folder])
    finally:
        for path in paths.values():
            with contextlib.suppress(OSError):  # where nothing can be written, nothing is left
                path.unlink()


def _reporter(publish: Publish) -> Callable[[str, int, int], None]:
    last = [0.0]
    who = {"pid": os.getpid(), "host": socket.gethostname()}

    def report(what: str, step: int, total: int) -> None:
        if time.monotonic() - last[0] > 0.5 or step == total:
            last[0] = time.monotonic()
            publish({"what": what, "step": step, "total": total, "at": time.time(), **who})

    return report


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, HandrailError) else f"{type(error).__name__}: {error}"


def progress_file(folder: Path) -> Path:
    """Where followers look for what a running task is doing."""
    return folder.with_name(f".{folder.name}.progress")


def _forget_compiled() -> None:
    """Compiled code belongs to one environment's tables; over many runs it would fill memory."""
    import gc

    import jax

    jax.clear_caches()
    gc.collect()
