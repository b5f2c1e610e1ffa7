"""Computing tasks in several processes, one thread each, with progress and clean interruption.

On a CPU small networks gain nothing from vectorised seeds; one process a run does
(docs/performance.md).
"""

import concurrent.futures
import concurrent.futures.process
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from handrail.errors import HandrailError
from handrail.experiments.plan import Task
from handrail.files import write_json

# Read by XLA when a worker imports jax: one thread a process, so that cores are not fought over.
SINGLE_THREADED = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

Follow = Callable[[list[Task], set[Path]], None]


class Failed(HandrailError):
    """Some tasks failed; the others are done."""


def compute(
    tasks: Iterable[Task],
    *,
    jobs: int,
    follow: Follow = lambda running, done: None,
    poll_seconds: float = 0.25,
) -> None:
    """Computes tasks and what they need, each once, at most `jobs` at a time.

    `follow(running, done)` is called often. Ctrl-C stops the workers; what they had
    checkpointed is continued by the next call. Raises `Failed` after all else is done.
    """
    if jobs < 1:
        raise HandrailError(f"jobs is {jobs}: expected at least 1")
    waiting = {task.folder: task for task in _with_needs(tasks)}
    done = {folder for folder, task in waiting.items() if task.done}
    for folder in done:
        del waiting[folder]
    if not waiting:
        follow([], done)
        return
    failures: dict[Path, str] = {}
    with _environment(SINGLE_THREADED):
        context = multiprocessing.get_context("spawn")
        workers = min(jobs, len(waiting))
        pool = _pool(workers, context)
        running: dict[concurrent.futures.Future, Task] = {}
        try:
            while waiting or running:
                _submit(pool, waiting, running, done, workers, failures)
                finished, _ = concurrent.futures.wait(
                    running, poll_seconds, concurrent.futures.FIRST_COMPLETED
                )
                for future in finished:
                    task = running.pop(future)
                    failure = future.result()
                    if failure is None:
                        done.add(task.folder)
                    else:
                        failures[task.folder] = f"{task.label}: {failure}"
                follow(list(running.values()), done)
        except concurrent.futures.process.BrokenProcessPool:
            _terminate(pool)
            raise Failed(
                "a worker process was killed (out of memory?); repeat the command to go on from "
                "the last checkpoints, with fewer jobs if it happens again"
            ) from None
        except BaseException:
            _terminate(pool)
            raise
        pool.shutdown()
    if failures:
        raise Failed(f"{len(failures)} of the tasks failed: {'; '.join(failures.values())}")


def _submit(pool, waiting, running, done, workers, failures) -> None:
    for folder, task in list(waiting.items()):
        if len(running) >= workers:
            return
        missing = [need for need in task.needs if need.folder not in done]
        if any(need.folder in failures for need in missing):
            failures[folder] = f"{task.label}: what it needs has failed"
            del waiting[folder]
        elif not missing:
            running[pool.submit(_do, task)] = task
            del waiting[folder]


def _with_needs(tasks: Iterable[Task]) -> list[Task]:
    """The tasks and what they need, each after its needs, each folder once."""
    ordered: dict[Path, Task] = {}

    def visit(task: Task) -> None:
        if task.folder not in ordered:
            for need in task.needs:
                visit(need)
            ordered[task.folder] = task

    for task in tasks:
        visit(task)
    return list(ordered.values())


def _do(task: Task) -> str | None:
    """Computes one task; returns what went wrong, as text: not every exception can be sent."""
    try:
        _work(task)
    except HandrailError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        _forget_compiled()
    return None


def _forget_compiled() -> None:
    """Compiled code belongs to one environment's tables; over many runs it would fill memory."""
    import gc

    import jax

    jax.clear_caches()
    gc.collect()


def _work(task: Task) -> None:
    from handrail.experiments.work import work

    last = [0.0]

    def report(what: str, step: int, total: int) -> None:
        if time.monotonic() - last[0] > 0.5 or step == total:
            last[0] = time.monotonic()
            entry = {"what": what, "step": step, "total": total, "at": time.time()}
            write_json(task.folder.with_name(f".{task.folder.name}.progress"), entry)

    try:
        work(task, report)
    finally:
        task.folder.with_name(f".{task.folder.name}.progress").unlink(missing_ok=True)


def _pool(workers: int, context) -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(
        workers, context, initializer=_quiet, initargs=(os.getpid(),)
    )


def _quiet(parent: int) -> None:
    """Ctrl-C belongs to the parent, which ends its workers; without it they end themselves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _terminate(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


class _environment:
    """Sets environment variables for the processes started inside the block."""

    def __init__(self, values: dict[str, str]):
        self.values = values

    def __enter__(self):
        self.before = {name: os.environ.get(name) for name in self.values}
        os.environ.update(self.values)

    def __exit__(self, *_):
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
