"""How long a run takes to begin, and how much memory it holds.

    python -m benchmarks.startup [--quick]

A fresh process a repeat, compiling everything anew. Seconds from the start of the process until a
stage is done; `first update` is an upper bound: the report of the chunk that holds it. Peak
memory is that of a whole run of 200,000 symbolic steps with the full method.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import RESULTS, SINGLE_THREADED, Sheet, Spread, arguments

SECONDS, MEGABYTES = 20.0, 1000.0


def child(method: str, observation: str, steps: int, began: float) -> None:
    """One run; prints when its stages were done, and the peak of resident memory."""
    stages = {"python": time.time() - began}
    from benchmarks import lava_runs
    from handrail.train import run

    stages["imported"] = time.time() - began
    loop = lava_runs.build_loop(method, observation, lava_runs.LEARNING_STARTS + steps)
    stages["environment compiled"] = time.time() - began
    run.CHUNK_STEPS = min(run.CHUNK_STEPS, 1_000)

    def report(step: int, metrics: dict[str, float]) -> None:
        if "first steps" not in stages:
            stages["first steps"] = time.time() - began
        elif "first update" not in stages:
            stages["first update"] = time.time() - began
            stages["first update (processor)"] = time.process_time()

    with tempfile.TemporaryDirectory() as folder:
        run.execute(
            loop,
            Path(folder) / "run",
            {"purpose": "benchmark"},
            seed=123,
            summarise=lambda state: {},
            report=report,
        )
    print(json.dumps({"seconds": stages, "peak_mb": peak_memory()}))


def peak_memory() -> float:
    """Megabytes that were resident at most (of this program alone, on Linux)."""
    status = Path("/proc/self/status")
    if status.exists():
        high = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(high.split()[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def measure(method: str, observation: str, steps: int) -> dict:
    """One fresh process."""
    command = [sys.executable, "-m", "benchmarks.startup", "--child", method, observation,
               str(steps), repr(time.time())]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=RESULTS.parents[1],
        env=os.environ | SINGLE_THREADED,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        method, observation, steps, began = options.child
        return child(method, observation, int(steps), float(began))
    repeats = options.repeats or (1 if options.quick else 3)
    long = 10_000 if options.quick else 200_000
    sheet = Sheet(
        "startup",
        quick=options.quick,
        settings={
            "environment": "LavaCrossingS9N1",
            "threads": 1,
            "targets": {"first update, s": SECONDS, "peak of a symbolic run, MB": MEGABYTES},
            "repeats": repeats,
        },
    )
    for method, observation, steps in (
        ("dqn", "symbolic", 1_000),
        ("full", "symbolic", long),
        ("dqn", "pixels", 1_000),
        ("full", "pixels", 1_000),
    ):
        found = [measure(method, observation, steps) for _ in range(repeats)]
        sheet.add(
            method=method,
            observation=observation,
            steps=steps,
            **{
                stage: Spread.of(one["seconds"][stage] for one in found)
                for stage in found[0]["seconds"]
            },
            peak_mb=Spread.of(one["peak_mb"] for one in found),
        )
    sheet.write()


if __name__ == "__main__":
    main()
