"""What `handrail check-robustness` does: find who is to drive, measure in changed worlds, show."""

from collections.abc import Callable, Mapping
from pathlib import Path

from handrail.cli.check_transfer import trained_on
from handrail.core.arguments import number, seed_number, whole
from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.files import check_writable, write_json, write_text
from handrail.envs.navigation.tasks import navigation_task
from handrail.experiments import launch
from handrail.knowledge.catalog import located, located_files
from handrail.methods.sagui.guide_file import GUIDE
from handrail.methods.sagui.settings import StudentRun
from handrail.report.console import show
from handrail.report.html import Heading, Text, page
from handrail.report.robustness_figures import READING, as_rows, robustness_blocks, summary
from handrail.tasks.navigation.robustness import guide_robustness, student_robustness
from handrail.transfer_check.robustness import Robustness

PAGE = ".html"


def check_robustness(
    what: Path,
    *,
    task: str | None = None,
    limit: float | None = None,
    side: int = 8,
    episodes: int = 20,
    seed: int = 0,
    out: Path | None = None,
    guide: Path | None = None,
    knowledge_folder: Path = Path("runs"),
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Robustness]:
    """A guide, or a finished student alone and with its guide, in worlds that differ.

    Arguments are the command's (`cli.results.check_robustness`); `report` is called as
    `report(worlds done, worlds)`. Raises `HandrailError` for what cannot drive in a navigation
    task.
    """
    whole("side", side, least=2)
    whole("episodes", episodes, least=1)
    seed_number(seed)
    if out is not None and out.suffix != PAGE:
        raise HandrailError(f"out is {str(out)!r}: expected a page, such as robustness{PAGE}")
    if out is not None:
        check_writable(out.parent)
    asked = {"side": side, "episodes": episodes, "seed": seed, "report": report}
    if (what / "run.json").is_file() and not (what / GUIDE).is_file():
        if task is not None:
            raise HandrailError(f"{what} is a student's run, which has its task: leave --task out")
        launch.check_evaluation(what, episodes, seed)
        _, _, run = launch.stored_run(what)
        if not isinstance(run, StudentRun):
            raise HandrailError(
                f"{what} is a run in {run.environment}, a grid without bodies, motors and sensors: "
                "expected a guide, or a student of a navigation task"
            )
        files = launch.knowledge_of_run(
            what, knowledge_folder=knowledge_folder, files=located_files({"guide": guide})
        )
        allowed = run.limit if limit is None else number("limit", limit)
        policy = launch.policy_file(what, "last")
        found = student_robustness(run, policy, files, limit=allowed, **asked)
        title = f"{run.method} in {run.environment}"
    else:
        if guide is not None:
            raise HandrailError(f"{what} is a guide itself: leave --guide out")
        path = what / GUIDE if what.is_dir() else located("guide", what)
        name = task or trained_on(path, load(path, expect="guide")[0])
        allowed = navigation_task(name).limit if limit is None else number("limit", limit)
        found = guide_robustness(path, name, limit=allowed, **asked)
        title = f"the guide in {name}"
    show([summary(found, title)])
    if out is not None:
        _write(out, title, found, {"what": what.name, "episodes": episodes, "seed": seed})
    return found


def _write(
    out: Path, title: str, found: Mapping[str, Robustness], facts: Mapping[str, object]
) -> None:
    blocks = [*robustness_blocks(found, title), Heading("How to read this"), Text(READING)]
    question = "How safe is it in worlds that differ from the one it learnt in?"
    write_text(out, page(f"Robustness of {title}", blocks, lead=question, facts=facts))
    limit = next(iter(found.values())).limit
    write_json(out.with_suffix(".json"), {**facts, "limit": limit, "worlds": as_rows(found)})
