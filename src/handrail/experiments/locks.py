"""One process at a time for a folder: others that need what is computed in it wait."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from handrail.core.errors import HandrailError


@contextlib.contextmanager
def exclusive(folder: Path, waiting: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Holds the lock of `folder` inside the block; waits while another process holds it.

    The lock is a hidden file beside the folder, which need not exist. The operating system
    releases it when the process that holds it ends, however that happens, so that a process that
    waits takes over from one that was killed. `waiting(text)` is called once, with a sentence, if
    there is something to wait for. What the folder holds may have changed by the time the block
    begins, so that whoever waited looks again whether there is still something to be done:

        with exclusive(task.folder, waiting=steps.note):
            if not task.done:
                work(task, steps)

    Raises `HandrailError` where the file system gives no locks.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked(path, lambda: waiting(f"another handrail process is at {folder}; waiting"))
    except OSError as error:
        raise HandrailError(
            f"cannot lock {folder} with {path}: {error.strerror or error}; choose an output folder "
            "in which files can be written and locked"
        ) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is locked: see `_locked`
        os.close(lock)


def _locked(path: Path, waiting: Callable[[], None]) -> int:
    """The descriptor of the file at `path`, locked.

    Whoever holds the lock removes the file before it is released. A process that was waiting for
    that file then has the lock of a file that nobody else can find, and begins again.
    """
    import fcntl

    told = False
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    waiting()
                told = True
                fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(path)):
                    return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
