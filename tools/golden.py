"""Do two checkouts compute the same? Small fixed runs of everything that trains, number by number.

    python tools/golden.py run FOLDER                  # with the handrail that this Python imports
    python tools/golden.py compare FOLDER OTHER        # tables, arrays, summaries; else exit code 1

The runs use commands and public names alone, so that the script runs in checkouts of different
layout.
Numbers repeat to the last digit on one kind of processor only: make both folders on one machine.
"""

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

SMALL = ["learning.hidden=[8,8]", "learning.batch=8", "learning.updates=20"]
STUDENT = ["epoch=1000", "test_episodes=2", *SMALL]
GUIDE = ["guide.steps=3000", "guide.epoch=1000", "guide.evaluation_episodes=2",
         "guide.guard_episodes=2"]  # fmt: skip
PRIOR = ["prior.source_steps=1500", "prior.prior_steps=1500", "prior.pool=3",
         "prior.source_learning.learning_starts=500",
         "prior.prior_learning.learning_starts=500"]  # fmt: skip
ENCODER = ["encoder.pool=3", "encoder.steps=3000", "encoder.acting.learning_starts=500"]


def lava(method: str, *knowledge: str, steps: int = 1500) -> list[str]:
    """A run of the contrastive method's family, with knowledge from few layouts."""
    return ["--environment", "LavaCrossingS9N1", "--method", method, "--steps", str(steps),
            "--set", "learning.learning_starts=500", *knowledge]  # fmt: skip


def student(
    method: str, *more: str, task: str = "navigation-static", steps: int = 3000
) -> list[str]:
    """A student of SaGui's family, with what it brings along."""
    return ["--environment", task, "--method", method, "--steps", str(steps), "--seed", "1",
            "--set", *STUDENT, *more]  # fmt: skip


EXPERT = ["expert.steps=2000", "expert.evaluation_episodes=2"]
PRETRAINED = ["pretrained.steps=2000", "pretrained.evaluation_episodes=2"]
COMMANDS = {
    "lava-full": lava("full-adaptive", *PRIOR, *ENCODER, steps=3000),
    "lava-state-only": lava("state-only", *ENCODER),
    "lava-vae": lava("vae"),
    "static-control": student("control-switch", *GUIDE),
    "static-budget": student("budget-switch", *GUIDE),
    "static-decay": student("linear-decay", *GUIDE),
    "static-paper": [
        *student("fixreg", *GUIDE, "guide.bonus=entropy", "guide.rescue.share=0.0"),
        "--preset", "paper",
    ],
    "static-egpo": student("egpo", *EXPERT),
    "static-pretrained": student("sac-pre", *PRETRAINED),
    "static-random-guide": student("random-guide"),
    "static-taught": [*student("budget-switch", *GUIDE, "guide.keep=500"), "--preset", "taught"],
    "semi-dynamic": student("budget-switch", *GUIDE, task="navigation-semi-dynamic", steps=2000),
}  # fmt: skip


def handrail(*words: str, **options) -> subprocess.CompletedProcess:
    """A command of the checkout, one thread."""
    return subprocess.run([sys.executable, "-m", "handrail", *words], text=True, **options)


def by_command(out: Path, names: list[str]) -> None:
    """Runs of `handrail train`, knowledge shared where it is the same."""
    for name in names:
        done = handrail(
            "train", *COMMANDS[name], "--out", str(out / name),
            "--knowledge-folder", str(out / "shared"),
            capture_output=True,
        )  # fmt: skip
        print(
            name,
            done.returncode,
            done.stderr.strip().splitlines()[-1:] if done.returncode else "",
            flush=True,
        )


def interrupted(out: Path) -> None:
    """Killed after a checkpoint, then resumed: as `static-budget`."""
    folder = out / "static-budget-killed"
    words = [
        "train",
        *COMMANDS["static-budget"],
        "--out",
        str(folder),
        "--knowledge-folder",
        str(out / "shared"),
    ]
    if not (folder / "summary.json").exists():
        with subprocess.Popen(
            [sys.executable, "-m", "handrail", *words],
            env={**os.environ, "HANDRAIL_CHECKPOINT_SECONDS": "0"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            while process.poll() is None and not list(folder.glob("checkpoints/step-*")):
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        handrail(
            "train",
            "--resume",
            str(folder),
            "--knowledge-folder",
            str(out / "shared"),
            capture_output=True,
        )
    print("static-budget-killed", (folder / "summary.json").exists(), flush=True)


def fast(obs, action, next_obs, info):
    """Swinging too fast."""
    return float(abs(next_obs[2]) > 3)


def left(obs, action, next_obs, info):
    """A cart left of the middle."""
    return float(next_obs[0] < -0.02)


def own(out: Path, names: list[str]) -> None:
    """Guides, students and Q-functions on environments that are not the project's."""
    import gymnasium

    import handrail

    learning = handrail.SacSettings(
        hidden=(8,), batch=8, block=50, updates=5, learning_starts=100, replay=2000
    )
    ours = {"multiplier_rate": 1.0, "damping": 0.0, "cost_floor": "guide"}
    import dataclasses

    taking = dataclasses.replace(learning, **ours)
    few = dict(steps=800, epoch=400, cost=fast, evaluation_episodes=2)
    q = handrail.QLearning(learning_starts=200, hidden=(16,))
    guide = out / "own-guide" / "guide.safetensors"

    def pair():
        return gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make("Pendulum-v1")] * 2)

    def knowledge():
        env = gymnasium.make("CartPole-v1")
        prior = handrail.load_prior(out / "own-prior" / "prior.safetensors", env)
        embed, initial = handrail.load_encoder(out / "own-encoder" / "encoder.safetensors", env)
        return handrail.contrastive(handrail.NearUnsafe(embed, initial), prior)

    guiding = dict(learning=learning, guard_episodes=2, keep=100, **few)
    runs = {
        "own-guide": lambda f: handrail.train_guide("Pendulum-v1", f, limit=2.0, **guiding),
        "own-student-budget": lambda f: handrail.train_student(
            "Pendulum-v1", guide, f, method="budget-switch", limit=10.0, learning=taking, **few),
        "own-student-control": lambda f: handrail.train_student(
            "Pendulum-v1", guide, f, method="control-switch", limit=10.0, learning=taking,
            distil=True, **few),
        "own-student-source": lambda f: handrail.train_student(
            "Pendulum-v1", guide, f, method="budget-switch", limit=10.0, learning=taking,
            source_data=True, **few),
        "own-sac": lambda f: handrail.train_student(
            "Pendulum-v1", None, f, method="sac", limit=10.0, learning=learning, **few),
        "own-vector": lambda f: handrail.train_guide(pair, f, limit=2.0, **guiding),
        "own-prior": lambda f: handrail.train_prior(
            ["CartPole-v1", "CartPole-v1"], f, cost=left, steps=600, prior_steps=600, learning=q),
        "own-encoder": lambda f: handrail.train_encoder(
            "CartPole-v1", f, cost=left, steps=1500, acting=q),
        "own-dqn": lambda f: handrail.train_dqn(
            "CartPole-v1", f, intervention=knowledge(), cost=left, steps=600, learning=q,
            evaluation_episodes=2),
    }  # fmt: skip
    for name, run in runs.items():
        if name in names and not (out / name / "done").exists():
            run(out / name)
            (out / name / "done").touch()
        print(name, flush=True)


OWN = ("own-guide", "own-student-budget", "own-student-control", "own-student-source", "own-sac",
       "own-vector", "own-prior", "own-encoder", "own-dqn")  # fmt: skip

# Columns that later versions call otherwise.
RENAMED = {
    "guarded_cost": "shielded_cost",
    "guarded_share": "shielded_share",
    "foreseen": "takeover_cost",
    "guide_doubts": "guide_warnings",
}


def table(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV file, as text."""
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return {RENAMED.get(name, name): [row[i] for row in rows] for i, name in enumerate(header)}


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an artefact or of `arrays.npz`, whatever they are called."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    from safetensors.numpy import load_file

    return load_file(path)


def content(folder: Path) -> dict[str, dict]:
    """Everything that a folder of runs holds, by file."""
    found: dict[str, dict] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if "checkpoints" in name:
            continue
        if path.suffix == ".csv":
            found[name] = table(path)
        elif path.suffix in (".safetensors", ".npz"):
            found[name] = {k: v.tobytes() for k, v in arrays(path).items()}
        elif path.name == "summary.json":
            values = renamed(json.loads(path.read_text()))
            found[name] = {k: v for k, v in values.items() if k != "wall_s"}
    return found


def renamed(values: dict) -> dict:
    """A summary under the names of later versions."""
    return {
        RENAMED.get(name, name): renamed(value) if isinstance(value, dict) else value
        for name, value in values.items()
    }


def of_knowledge(name: str) -> str:
    """Folders of knowledge are named by digests, which may differ between versions."""
    parts = Path(name).parts
    return "/".join(
        p.rpartition("-")[0] if i == 2 and "knowledge" in parts[:2] else p
        for i, p in enumerate(parts)
    )


def compare(one: Path, two: Path, known: set[str]) -> int:
    """Prints what differs; what only the second has is not looked at."""
    first = {of_knowledge(k): v for k, v in content(one).items()}
    second = {of_knowledge(k): v for k, v in content(two).items()}
    wrong = 0
    for name, entries in first.items():
        if name not in second:
            wrong += 1
            print(f"missing: {name}")
            continue
        other = second[name]
        differing = [k for k, v in entries.items() if k in other and other[k] != v]
        missing = [k for k in entries if k not in other and k not in known]
        if differing or missing:
            wrong += 1
            print(f"{name}: differs in {differing[:6]} (of {len(entries)}), lacks {missing[:6]}")
    print(f"{len(first)} files, {wrong} differ")
    return 1 if wrong else 0


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*", default=[*COMMANDS, "static-budget-killed", *OWN])
    given = parser.parse_args()
    if given.what == "compare":
        return compare(given.folder, given.other, known={"last_epoch"})
    warnings.simplefilter("ignore")
    by_command(given.folder, [name for name in given.only if name in COMMANDS])
    if "static-budget-killed" in given.only:
        interrupted(given.folder)
    own(given.folder, [name for name in given.only if name in OWN])
    return 0


if __name__ == "__main__":
    sys.exit(main())
