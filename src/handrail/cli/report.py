"""What `handrail report` does: the page of an experiment, or of run folders."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from handrail.cli import reproduce
from handrail.core.errors import HandrailError
from handrail.core.plain_text import message
from handrail.experiments.schema import WHOLE, Portion
from handrail.experiments.schema import names as experiments
from handrail.report.html import Table
from handrail.report.run_page import write_run_page


def report(
    names: Sequence[str],
    portion: Portion = WHOLE,
    *,
    out: Path | None = None,
    vectors: bool = False,
) -> tuple[Path, list[Table], list[str]]:
    """Writes a report; its path, the tables for the terminal, and what is missing.

    One name of an experiment, or folders of runs. Raises `HandrailError` for neither, and for
    folders without any run, once the page that says so is written.
    """
    if not names:
        raise HandrailError(
            "nothing named; expected an experiment (see `handrail list`) or folders of runs"
        )
    if len(names) == 1 and _is_no_folder(names[0]):
        raise HandrailError(
            f"there is no folder {message(names[0])}: expected one with runs in it, or an "
            "experiment (see `handrail list`)"
        )
    if len(names) == 1 and (names[0] in experiments() or not Path(names[0]).is_dir()):
        path, tables = reproduce.report_only(
            names[0], portion, out=out or Path("runs"), vectors=vectors
        )
        return path, tables, []
    for field in dataclasses.fields(portion):
        if getattr(portion, field.name) != field.default:
            raise HandrailError(
                f"--{field.name} belongs to experiments: {message(names[0])} is a folder of runs"
            )
    folders = [Path(name) for name in names]
    path, missing = write_run_page(folders, out, vectors=vectors)
    if not any(any(folder.rglob("run.json")) for folder in folders):
        where = ", ".join(map(message, folders))
        raise HandrailError(
            f"no run in {where}: there is no run.json in it or below it; expected a folder that "
            f"`handrail train` or `reproduce` wrote ({message(path)} says the same)"
        )
    return path, [], missing


def _is_no_folder(name: str) -> bool:
    """Whether this is written as a folder is, and none is there."""
    path = Path(name)
    return len(path.parts) > 1 and path.suffix != ".toml" and not path.exists()
