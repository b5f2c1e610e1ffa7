"""Killing a run at random moments, again and again: is anything lost, is resume exact?

    python -m benchmarks.random_kills --kills 200

Each round begins the small run of the tests anew and goes on with it in real processes that
are killed (SIGKILL) between two accesses to its files, or at a random time, writing included.
Every finished round must equal an uninterrupted run byte for byte. Every checkpoint that a
kill leaves must be readable, and every table must read up to its last whole line.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from tests.train.killed import child
from tests.train.small import content, run, shared_loop, small_loop

EVENTS = 60  # accesses to files in a whole run
SECONDS = 4.0  # of a whole run whose programs are compiled already


def killed(folder: Path, rng: random.Random) -> bool:
    """One process that is killed at some moment; whether it was, before it had finished."""
    by_time = rng.random() < 0.5
    event = 0 if by_time else rng.randrange(1, EVENTS)
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            child(folder, event)
        except BaseException:
            os._exit(1)
        os._exit(0)
    if by_time:
        time.sleep(rng.uniform(0.0, SECONDS))
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == 1:
        raise SystemExit(f"a process failed by itself in {folder}")
    return status == -signal.SIGKILL


def check(folder: Path) -> None:
    """What a kill left must be usable as it lies there."""
    from handrail.core.artifact import load

    for path in (folder / "checkpoints").glob("step-*.safetensors"):
        load(path, expect="checkpoint")
    for name in ("episodes.csv", "progress.csv"):
        path = folder / name
        if path.exists() and path.read_bytes().count(b"\n"):
            read_table(path, growing=True)


def uninterrupted(folder: Path) -> dict[str, bytes]:
    """The bytes of a run that nobody killed, from a process of its own: this one must not
    start JAX, since it forks."""
    pid = os.fork()
    if pid == 0:
        run(shared_loop(), folder, checkpoint_seconds=1e9)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("the uninterrupted run failed")
    return content(folder)


def main() -> None:
    """Kills until enough have been killed; exit code 1 at the first byte that differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kills = rounds = 0
    with tempfile.TemporaryDirectory() as name:
        os.environ.update(
            JAX_COMPILATION_CACHE_DIR=f"{name}/compiled",
            JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
            JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="0",
        )
        whole = uninterrupted(Path(name) / "whole")
        while kills < options.kills:
            rounds += 1
            folder = Path(name) / f"round-{rounds}"
            wanted = min(rng.randrange(1, 12), options.kills - kills)
            for _ in range(wanted):
                if killed(folder, rng):
                    kills += 1
                    try:
                        check(folder)
                    except HandrailError as error:
                        sys.exit(f"after kill {kills}: {error}")
            pid = os.fork()
            if pid == 0:
                run(small_loop(), folder)
                os._exit(0)
            failed = os.waitpid(pid, 0)[1]
            if failed or content(folder) != whole:
                sys.exit(f"round {rounds} differs from the uninterrupted run after {kills} kills")
            print(f"{kills} kills, {rounds} runs finished, all equal", flush=True)


if __name__ == "__main__":
    main()
