"""What `handrail push` does with a file, or with a finished run: test it, and write the card."""

from pathlib import Path
from typing import Any

from handrail import hub
from handrail.cli.evaluate import OWN, evaluate, read_own
from handrail.experiments.launch import Which, policy_file


def push(file: Path, folder: Path, *, which: Which = "last", **tested: Any) -> Path:
    """Writes an artefact, or the policy of a run's folder, into a folder; returns that.

    The policy of a run is evaluated before, and the README says what was found.

    Args:
        file: the artefact, or the folder of a finished run.
        folder: where to write.
        which: of a run, its last policy, or the best of those that kept the limit alone.
        tested: further arguments of `handrail.cli.evaluate.evaluate`.

    Raises `HandrailError` where the run is not finished.
    """
    if not file.is_dir():
        return hub.push(file, folder)
    measured = evaluate(file, seed=0, which=which, **tested)
    own = read_own(file)
    chosen = policy_file if own is None else OWN[own.purpose]
    return hub.push(chosen(file, which), folder, measured=measured)
