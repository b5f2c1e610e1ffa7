"""Training speed of this checkout beside that of another one, in alternation.

    python -m benchmarks.two_checkouts PATH [--quick] [--repeats 9] [--only lava host-1]

PATH is the root of the other checkout. Both train with `handrail train` in processes of their own
and write their tables as always, so nothing of either's inside is used: what the command and
`progress.csv` are called is all that must be the same. A process is stopped (SIGSTOP) while it is
not its turn. A turn lasts from one row of `progress.csv` to a later one; its processor time is
that of all threads. Rounds alternate the order. Nothing is timed before learning has begun, so
compiling is not counted. `ratio` is this checkout's processor time a step over the other's, with a
95 % bootstrap interval of the median of rounds; `within` says whether the interval lies inside
±3 %. Linux only, since threads' times are read from /proc.
"""

import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.common import RESULTS, SINGLE_THREADED, Portion, Sheet, Spread, alternate, arguments

HERE = RESULTS.parents[1]
TOLERANCE = 0.03
ENDLESS = "100000000"
POLL = 0.002  # seconds between looks at a table
PATIENCE = 900.0  # seconds that the first rows may take


# one test episode of 1,000 steps in 10,000 steps of training, and networks so small that the
# loop around them is not lost in their time; the method under a name that older checkouts know
NAVIGATION = (
    "--method", "sac", "--steps", ENDLESS,
    "--set", "epoch=10000", "test_episodes=1", "learning.hidden=[32,32]", "learning.batch=32",
)  # fmt: skip
# command line, rows before the first turn, rows of a turn
CASES = {
    "lava": (("--method", "dqn", "--steps", ENDLESS), 2, 2),
    "static": (("--environment", "navigation-static", *NAVIGATION), 2, 2),
    "host-1": (("--environment", "navigation-dynamic", *NAVIGATION), 2, 1),
    "host-10": (("--environment", "navigation-dynamic", *NAVIGATION, "copies=10"), 2, 1),
}


class Training:
    """`handrail train` of one checkout, stopped but for its turns."""

    def __init__(self, checkout: Path, arguments: tuple[str, ...], folder: Path, warm: int):
        self.table, self.errors = folder / "progress.csv", folder.with_suffix(".txt")
        variables = SINGLE_THREADED | {"HANDRAIL_CACHE": "", "PYTHONPATH": str(checkout / "src")}
        with open(self.errors, "wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "handrail", "train", *arguments, "--out", str(folder)],
                cwd=folder.parent,
                env=os.environ | variables,
                stdout=told,
                stderr=told,
            )
        self._wait(warm)
        self._signal(signal.SIGSTOP)

    def turn(self, rows: int) -> Portion:
        """Seconds a step until the table has so many more rows."""
        before = self.rows()
        wall, cpu = time.perf_counter(), self.processor_seconds()
        self._signal(signal.SIGCONT)
        self._wait(len(before) + rows)
        wall = time.perf_counter() - wall
        self._signal(signal.SIGSTOP)
        cpu = self.processor_seconds() - cpu
        after = self.rows()
        return Portion(wall, cpu) / (after[-1] - before[-1])

    def rows(self) -> list[int]:
        """The steps that the table's rows end with."""
        if not self.table.exists():
            return []
        with open(self.table, newline="") as file:
            return [int(row["step"]) for row in csv.DictReader(file) if row["step"]]

    def processor_seconds(self) -> float:
        """User and system time of all threads."""
        used = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text().split()[0]) for path in used) / 1e9

    def stop(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()

    def _wait(self, rows: int) -> None:
        until = time.monotonic() + PATIENCE
        while len(self.rows()) < rows:
            if self.process.poll() is not None:
                raise SystemExit(f"training ended: {self.errors.read_text(errors='replace')}")
            if time.monotonic() > until:
                self.stop()
                raise SystemExit(f"no {rows} rows in {PATIENCE:.0f} s: {self.table}")
            time.sleep(POLL)

    def _signal(self, which: signal.Signals) -> None:
        self.process.send_signal(which)


class Turns:
    """A training as `benchmarks.common.alternate` asks it for turns of so many rows."""

    def __init__(self, training: Training, rows: int):
        self.training, self.rows = training, rows

    def turn(self) -> Portion:
        """One turn."""
        return self.training.turn(self.rows)

    def stop(self) -> None:
        """Ends the process."""
        self.training.stop()


def interval(ratios: list[float]) -> Spread:
    """Median of the rounds' ratios with its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return Spread(float(np.median(ratios)), float(low), float(high))


def compare(name: str, other: Path, repeats: int) -> dict[str, list[Portion]]:
    """Turns of both checkouts."""
    command, warm, rows = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        trainings: dict[str, Training] = {}
        try:
            for label, checkout in (("this", HERE), ("other", other)):
                trainings[label] = Training(checkout, command, Path(folder) / label, warm)
            contestants = {label: Turns(one, rows) for label, one in trainings.items()}
            return alternate(contestants, repeats)
        finally:
            for one in trainings.values():
                one.stop()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("other", type=Path, help="root of the other checkout")
    parser.add_argument("--only", nargs="+", choices=[*CASES], default=[*CASES])
    options = parser.parse_args()
    other = options.other.resolve()
    if not (other / "src" / "handrail").is_dir():
        parser.error(f"{options.other} is no checkout: it has no folder src/handrail")
    repeats = options.repeats or (2 if options.quick else 9)
    sheet = Sheet(
        "two-checkouts",
        quick=options.quick,
        settings={
            "this": _commit(HERE),
            "other": _commit(other),
            "tolerance": TOLERANCE,
            "repeats": repeats,
        },
    )
    for name in options.only:
        turns = compare(name, other, repeats)
        pairs = list(zip(turns["this"], turns["other"], strict=True))
        ratio = interval([this.cpu / that.cpu for this, that in pairs])
        sheet.add(
            case=name,
            this_us_per_step=Spread.of(1e6 * turn.cpu for turn in turns["this"]),
            other_us_per_step=Spread.of(1e6 * turn.cpu for turn in turns["other"]),
            ratio=ratio,
            ratio_by_the_clock=interval([this.wall / that.wall for this, that in pairs]),
            within=1 - TOLERANCE <= ratio.low and ratio.high <= 1 + TOLERANCE,
        )
    sheet.write()


def _commit(checkout: Path) -> str:
    told = subprocess.run(
        ["git", "-C", str(checkout), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
    )
    return told.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
