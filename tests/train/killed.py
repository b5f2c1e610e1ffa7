"""Runs the small run in children that are killed at given file events; see `test_resume`.

    python -m tests.train.killed FOLDER EVENT EVENT … 0

Each child goes on in FOLDER and is killed (SIGKILL) at its EVENT-th opening, renaming or
removal of a file there; 0 lets it finish. Prints one line a child: how it ended.
"""

import os
import signal
import sys
from pathlib import Path

from tests.train.small import run, small_loop

WATCHED = {"open", "os.rename", "os.remove", "os.mkdir"}


def kill_at(event: int, folder: str) -> None:
    """Arms the kill: an audit hook sees every access before it happens."""
    seen = 0

    def hook(name, arguments):
        nonlocal seen
        if name in WATCHED and str(arguments[0]).startswith(folder):
            seen += 1
            if seen == event:
                os.kill(os.getpid(), signal.SIGKILL)

    if event:
        sys.addaudithook(hook)


def child(folder: Path, event: int) -> None:
    kill_at(event, str(folder))
    run(small_loop(), folder)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for event in map(int, sys.argv[2:]):
        pid = os.fork()  # JAX has been imported but not started, so forking is safe
        if pid == 0:
            child(folder, event)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print("killed" if status == -signal.SIGKILL else status, flush=True)
        if not event and status:
            sys.exit(1)
