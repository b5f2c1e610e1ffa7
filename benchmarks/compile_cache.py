"""Processor time of whole commands without kept code, while it is written, and with it.

    python -m benchmarks.compile_cache [--quick] [--only lava static]

`handrail train` in a fresh process each: 20,000 steps of lava (DQN, symbolic) and 30,000 of Static
(SAC-Lagrangian without a guide), with HANDRAIL_CACHE empty (`without`), a new folder (`cold`) and
that folder once more (`warm`). Every round runs all three one after another. Processor time counts
user and system time of the whole process, imports included. What the three wrote is compared byte
for byte (`summary.json` apart, which holds the time by the clock).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common import RESULTS, SINGLE_THREADED, Sheet, Spread, arguments

# command line, longest acceptable warm run in seconds of processor time
COMMANDS = {
    "lava": (("--method", "dqn", "--steps", "20000"), 5.0),
    "static": (
        ("--environment", "navigation-static", "--method", "sac-lagrangian", "--steps", "30000"),
        13.0,
    ),
}
QUICK = {
    "lava": ("--method", "dqn", "--steps", "2000", "--set", "learning.learning_starts=1000"),
    "static": (
        "--environment",
        "navigation-static",
        "--method",
        "sac-lagrangian",
        "--steps",
        "2000",
        "--set",
        "learning.learning_starts=1000",
        "epoch=1000",
        "test_episodes=2",
    ),
}


def processor_seconds(arguments: tuple[str, ...], out: Path, cache: str) -> float:
    """One command in a fresh process; user and system time of it and of what it started."""
    command = [sys.executable, "-m", "handrail", "train", *arguments, "--out", str(out)]
    variables = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            command,
            cwd=RESULTS.parents[1],
            env=variables | SINGLE_THREADED | {"HANDRAIL_CACHE": cache},
            stdout=told,
            stderr=told,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            raise SystemExit(told.read().decode(errors="replace"))
    return used.ru_utime + used.ru_stime


def written(folder: Path) -> dict[str, bytes]:
    """The files of a run whose bytes may not depend on how it came to its code."""
    suffixes = (".csv", ".npz", ".safetensors")
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix in suffixes}


def measure(arguments: tuple[str, ...], folder: Path) -> dict[str, float]:
    """Seconds without, cold and warm; size of the folder of compiled code in bytes."""
    cache = folder / "compiled"
    places = {"without": "", "cold": str(cache), "warm": str(cache)}
    seconds, files = {}, {}
    for name, place in places.items():
        seconds[name] = processor_seconds(arguments, folder / name, place)
        files[name] = written(folder / name)
    if not files["without"] or any(one != files["without"] for one in files.values()):
        raise SystemExit(f"{arguments}: the bytes differ between {', '.join(files)}")
    entries = [path.stat().st_size for path in cache.rglob("*.compiled")]
    return {**seconds, "entries": len(entries), "bytes": sum(entries)}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=[*COMMANDS], default=None)
    options = parser.parse_args()
    repeats = options.repeats or (1 if options.quick else 3)
    names = options.only or [*(QUICK if options.quick else COMMANDS)]
    sheet = Sheet("compile-cache", quick=options.quick, settings={"threads": 1, "repeats": repeats})
    for name in names:
        full, target = COMMANDS[name]
        chosen = QUICK.get(name, full) if options.quick else full
        found = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure(chosen, Path(folder)))
        sheet.add(
            command=" ".join(chosen),
            without_s=Spread.of(one["without"] for one in found),
            cold_s=Spread.of(one["cold"] for one in found),
            warm_s=Spread.of(one["warm"] for one in found),
            cold_over_without=Spread.of(one["cold"] / one["without"] for one in found),
            warm_over_without=Spread.of(one["warm"] / one["without"] for one in found),
            target_warm_s=target,
            same_bytes=True,
            entries=found[0]["entries"],
            megabytes=found[0]["bytes"] / 1e6,
        )
    sheet.write()


if __name__ == "__main__":
    main()
