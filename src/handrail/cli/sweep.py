"""What `handrail sweep` does: an experiment on the engine of one's choice."""

from collections.abc import Sequence
from pathlib import Path

from handrail.cli.reproduce import reproduce
from handrail.cli.train import assigned
from handrail.core.errors import HandrailError, UnknownName
from handrail.engines.base import AbstractEngine
from handrail.experiments.schema import WHOLE, Portion
from handrail.report.html import Table
from handrail.tracking.tracker import Tracker

ENGINES = ("local", "ray", "slurm")


def sweep(
    name: str,
    portion: Portion = WHOLE,
    *,
    engine: str = "local",
    address: str = "auto",
    jobs: int | None = None,
    shared: bool = False,
    slurm: Sequence[str] = (),
    vmapped: bool = False,
    out: Path = Path("runs"),
    quiet: bool = False,
    tracker: Tracker | None = None,
) -> tuple[Path, list[Table]]:
    """Computes what is missing on an engine, collects it in `out` and writes the report there."""
    chosen = make_engine(engine, address=address, jobs=jobs, shared=shared, slurm=slurm, out=out)
    return reproduce(
        name, portion, vmapped=vmapped, out=out, quiet=quiet, engine=chosen, tracker=tracker
    )


def make_engine(
    name: str,
    *,
    address: str = "auto",
    jobs: int | None = None,
    shared: bool = False,
    slurm: Sequence[str] = (),
    out: Path = Path("runs"),
) -> AbstractEngine:
    """An engine by name; refuses options that belong to another one."""
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    foreign = {
        "--address": address != "auto" and name != "ray",
        "--shared": shared and name != "ray",
        "--slurm": bool(slurm) and name != "slurm",
    }
    wrong = [option for option, given in foreign.items() if given]
    if wrong:
        raise HandrailError(f"{', '.join(wrong)} does not belong to the engine {name!r}")
    if name == "ray":
        from handrail.engines.ray_engine import OnRay

        return OnRay(address, jobs, shared)
    if name == "slurm":
        from handrail.engines.slurm import OnSlurm

        return OnSlurm(out.resolve() / "slurm", jobs, assigned(slurm))
    from handrail.engines.local import Local

    return Local(jobs)
