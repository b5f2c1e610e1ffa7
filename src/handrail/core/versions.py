"""The installed packages that decide about a run's numbers, and where a run notes them."""

import multiprocessing
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from handrail.core.compile_cache import processor_name
from handrail.core.errors import HandrailError
from handrail.core.files import read_json, write_json
from handrail.core.jax_setup import chosen

DECIDING = ("handrail", "jax", "jaxlib", "equinox", "optax", "numpy", "minigrid", "mujoco")
OPTIONAL = ("mujoco",)  # an extra: what it computes cannot be computed without it
ABSENT = "none"
ENVIRONMENT = "environment.json"


def versions() -> dict[str, str]:
    """The packages that decide about numbers, and their versions in this process."""
    found = {}
    for name in DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ABSENT
    return found


def differing(expected: dict[str, str]) -> str | None:
    """How this process's packages differ from those of the process that sends tasks, in words.

    An optional package that one of the two lacks is no difference.
    """
    found = versions()
    different = [
        f"{name} {found.get(name, ABSENT)} instead of {wanted}"
        for name, wanted in expected.items()
        if found.get(name, ABSENT) != wanted
        and not (name in OPTIONAL and ABSENT in (found.get(name, ABSENT), wanted))
    ]
    if not different:
        return None
    return f"the worker has {', '.join(different)}; install the same versions on every node"


WORKERS = ("default_worker.py", "_submit.py")
"""Programs of Ray and submitit, whose arguments say nothing of what was asked for."""


def command_line() -> str | None:
    """How this process was called, its program by its name alone; None in a process of a worker."""
    if multiprocessing.parent_process() is not None or not sys.argv or not sys.argv[0]:
        return None
    program = Path(sys.argv[0])
    if program.name in WORKERS:
        return None
    ours = (program.parent.name, program.name) == ("handrail", "__main__.py")
    return shlex.join(["handrail" if ours else program.name, *sys.argv[1:]])


@cache
def commit() -> str | None:
    """The commit of this package's own checkout, with `-changed` where files differ from it; None
    where the package was installed without its history, or git is missing.
    """
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    try:
        said = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*",
             "--dirty=-changed"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None


def record_environment(folder: Path) -> None:
    """Notes in a run's `environment.json` what computes it: commit, packages, processor, device.

    Also how this process was called. A list, `environments`: a run that goes on in another
    environment gets another entry. It is no part of the settings, so it never keeps a run from
    going on.
    """
    path = folder / ENVIRONMENT
    called = {"command": command} if (command := command_line()) else {}
    here = {
        **called,
        **({"commit": found} if (found := commit()) else {}),
        "versions": versions(),
        "python": platform.python_version(),
        "processor": processor_name(),
        "device": chosen(),
    }
    try:
        found = read_json(path).get("environments") if path.exists() else []
    except HandrailError:
        found = []  # damaged: what is known now is worth more than a run that stops
    earlier = found if isinstance(found, list) else []
    if here not in earlier[-1:]:
        write_json(path, {"environments": [*earlier, here]})
