"""One attempt at a task inside a worker: what it does is told, what goes wrong becomes text."""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.core.files import write_json
from handrail.experiments.locks import exclusive
from handrail.experiments.plan import Task

# Read by XLA when a worker imports jax: one thread a process, so that cores are not fought over.
SINGLE_THREADED = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
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

    last = [0.0]
    who = {"pid": os.getpid(), "host": socket.gethostname()}

    def report(what: str, step: int, total: int) -> None:
        if time.monotonic() - last[0] > 0.5 or step == total:
            last[0] = time.monotonic()
            publish({"what": what, "step": step, "total": total, "at": time.time(), **who})

    try:
        settle()
        with exclusive(task.folder, waiting=lambda text: report(WAITING, 0, 1)):
            if not task.done:
                work(task, report)
    except HandrailError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        _forget_compiled()
    return None


def compute_in_place(task: Task) -> str | None:
    """An attempt whose progress is told in a file beside the task's folder."""
    path = progress_file(task.folder)
    try:
        return attempt(task, lambda entry: write_json(path, entry))
    finally:
        with contextlib.suppress(OSError):  # where nothing can be written, there is nothing left
            path.unlink()


def progress_file(folder: Path) -> Path:
    """Where followers look for what a running task is doing."""
    return folder.with_name(f".{folder.name}.progress")


def _forget_compiled() -> None:
    """Compiled code belongs to one environment's tables; over many runs it would fill memory."""
    import gc

    import jax

    jax.clear_caches()
    gc.collect()
