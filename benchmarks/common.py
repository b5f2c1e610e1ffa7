"""What all benchmarks share: contestants in alternation, and a record of where it was measured.

A contestant is a function `(gate, **options)` in a process of its own that works for ever and
calls `gate()` before each portion of work. The gate holds it until its turn. So every
contestant runs its real training loop, stays warm between its turns, and never computes
while another is being timed.
"""

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
SINGLE_THREADED = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "NPROC": "1",  # XLA's pool, which else hands the many small parts of a call about
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
PACKAGES = ("handrail", "jax", "jaxlib", "numpy", "minigrid", "gymnasium", "stable-baselines3",
            "torch")  # fmt: skip


class Finished(BaseException):
    """Leaves a contestant's loop; no `except Exception` on the way may stop it."""


class Gate:
    """Holds a contestant until its turn, and times the turn before."""

    def __init__(self, connection: Connection):
        self.connection = connection
        self.began: tuple[float, float] | None = None

    def __call__(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        if self.began is None:
            self.connection.send(None)  # warm
        else:
            self.connection.send(Portion(wall - self.began[0], cpu - self.began[1]))
        if self.connection.recv() != "go":
            raise Finished
        self.began = (time.perf_counter(), time.process_time())


@dataclasses.dataclass(frozen=True)
class Portion:
    """Seconds that a turn took: on the clock, and of processor time of all threads."""

    wall: float
    cpu: float

    def __truediv__(self, amount: int) -> "Portion":
        """Seconds per unit of work."""
        return Portion(self.wall / amount, self.cpu / amount)


class Contestant:
    """A process that waits at its gate; enters once it is warm."""

    def __init__(
        self,
        work: Callable[..., None],
        *,
        amount: int,
        threads: int | None = 1,
        **options: Any,
    ):
        """A turn does `amount` units; `threads` None is whatever the libraries do."""
        self.amount = amount
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_enter, args=(work, other, options), daemon=True)
        before = dict(os.environ)
        os.environ.update(SINGLE_THREADED if threads == 1 else {})
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        other.close()
        self.connection.recv()

    def turn(self) -> Portion:
        """Seconds per unit of work, in one turn."""
        self.connection.send("go")
        return self.connection.recv() / self.amount

    def stop(self) -> None:
        self.connection.send("stop")
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()


def _enter(work: Callable[..., None], connection: Connection, options: dict[str, Any]) -> None:
    try:
        work(Gate(connection), **options)
        raise RuntimeError(f"{work.__name__} stopped before it was told to")
    except Finished:
        pass


def alternate(contestants: dict[str, Contestant], repeats: int) -> dict[str, list[Portion]]:
    """Everyone's turns, one after another, `repeats` times; then all are stopped.

    Every other round goes backwards, so that a drift of the machine favours nobody.
    """
    turns: dict[str, list[Portion]] = {name: [] for name in contestants}
    for round_ in range(repeats):
        names = list(contestants)
        for name in names if round_ % 2 == 0 else reversed(names):
            turns[name].append(contestants[name].turn())
    for contestant in contestants.values():
        contestant.stop()
    return turns


def beside(contestant: Contestant, busy: Contestant, repeats: int) -> list[Portion]:
    """The turns of one while the other is at work, which must take longer; both are stopped."""
    turns = []
    for _ in range(repeats):
        busy.connection.send("go")
        turns.append(contestant.turn())
        assert not busy.connection.poll(), "what was to keep the machine busy ended first"
        busy.connection.recv()
    contestant.stop()
    busy.stop()
    return turns


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median and range of repeated measurements."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float]) -> "Spread":
        values = list(values)
        return Spread(statistics.median(values), min(values), max(values))

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def per_second(turns: list[Portion]) -> dict[str, Spread]:
    """Units of work a second, by the clock and by processor time."""
    return {
        "wall": Spread.of(1 / turn.wall for turn in turns),
        "cpu": Spread.of(1 / turn.cpu for turn in turns),
    }


def microseconds(turns: list[Portion]) -> dict[str, Spread]:
    """Microseconds per unit of work."""
    return {
        "wall": Spread.of(1e6 * turn.wall for turn in turns),
        "cpu": Spread.of(1e6 * turn.cpu for turn in turns),
    }


def ratio(above: list[Portion], below: list[Portion]) -> dict[str, Spread]:
    """Time of one contestant over that of another, round by round."""
    pairs = list(zip(above, below, strict=True))
    return {
        "wall": Spread.of(a.wall / b.wall for a, b in pairs),
        "cpu": Spread.of(a.cpu / b.cpu for a, b in pairs),
    }


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small amounts: does it run at all?")
    parser.add_argument("--repeats", type=int, default=None, help="rounds of the alternation")
    return parser


def machine() -> dict[str, Any]:
    """What kind of machine this is, without its name or paths."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = models[0].split(":", 1)[1].strip() if models else processor
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """The installed ones of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


class Sheet:
    """A benchmark's table: printed row by row, then written as JSON under `results/`."""

    def __init__(self, name: str, *, quick: bool, settings: dict[str, Any]):
        self.name, self.quick, self.settings = name, quick, settings
        self.rows: list[dict[str, Any]] = []
        self.load = os.getloadavg()
        print(f"{name}: load {self.load[0]:.1f} on {os.cpu_count()} cores", flush=True)
        if self.load[0] > 1.5:
            print("the machine is busy: trust ratios and processor time, not the clock")

    def add(self, **row: Any) -> None:
        self.rows.append(row)
        shown = [
            f"{name} {value:.4g}" if isinstance(value, float | Spread) else f"{name} {value}"
            for name, value in _flat(row)
        ]
        print("  " + "  ".join(shown), flush=True)

    def write(self) -> Path:
        """The JSON file. A quick run goes to a file of its own, which git ignores."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{self.name}{'.quick' if self.quick else ''}.json"
        content = {
            "benchmark": self.name,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "quick": self.quick,
            "machine": machine(),
            "versions": versions(),
            "load": {"before": self.load, "after": os.getloadavg()},
            "settings": self.settings,
            "rows": self.rows,
        }
        path.write_text(json.dumps(content, indent=2, default=dataclasses.asdict) + "\n")
        print(f"wrote {path.relative_to(RESULTS.parents[1])}")
        return path


def _flat(row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{inner}", entry) for inner, entry in value.items())
        else:
            yield name, value
