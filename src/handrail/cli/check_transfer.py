"""What `handrail check-transfer` does: load, run source and target, judge."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.core.arguments import seed_number
from handrail.core.artifact import Card, load, number
from handrail.core.errors import HandrailError
from handrail.core.files import check_file, write_json
from handrail.envs.transfer import TransferProblem
from handrail.tasks.family import TransferTask
from handrail.tasks.registry import family_of
from handrail.transfer_check.finding import TransferFinding
from handrail.transfer_check.verdict import TransferVerdict, limits


def check_task(
    path: Path,
    *,
    task: str | None = None,
    limit: float | None = None,
    episodes: int = 100,
    seed: int = 0,
    out: Path | None = None,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> TransferVerdict:
    """Whether the guide in `path` may be trusted in the target of `task`, and taught from.

    The source is that of the task it was trained on, which is also the default target; `limit`
    (cost of an episode, undiscounted) is the target's own by default. A guide that does not fit
    the target at all is judged without running anything. Tasks on MuJoCo take minutes:
    `report(what, done, total)` follows their episodes.
    Raises `HandrailError` for a file or task that cannot be used.
    """
    import jax

    from handrail.methods.sagui.guide_file import load_guide
    from handrail.methods.sagui.presets import TAKEOVER_STEPS
    from handrail.transfer_check.check import Checked, checked_transfer, transfer_record

    if out is not None:
        check_file(out)
    card, _ = load(path, expect="guide")
    own_limit = number(card.spec.get("limit"), f"{path}: the card's limit", least=0)
    own = trained_on(path, card, task)
    name = task or own
    home, away = _task(own), _task(name)
    problem = _problem(home, away, name)
    limit = away.limit if limit is None else limit
    if not limit >= 0:
        raise HandrailError(f"limit is {limit}: expected a cost of 0 or more an episode")
    raw: dict[str, Any] = {}
    if isinstance(problem, TransferFinding):
        verdict = TransferVerdict((limits(own_limit, limit), problem))
    else:
        guide = load_guide(path, problem)
        places = {"source": problem.source, "target": problem.target}
        what = Checked(
            problem, {"source": guide.in_source, "target": guide}, places,
            discount=guide.discount, takeover_cost=TAKEOVER_STEPS * away.harm, own_limit=own_limit,
            limit=limit, length=problem.target.episode_length,
        )  # fmt: skip
        verdict, raw = checked_transfer(
            what, episodes=episodes, key=jax.random.key(seed_number(seed)),
            another=lambda: _crossed(_task(own), _task(name), name), report=report,
        )  # fmt: skip
    if out is not None:
        about = {"guide": path.name, "task": name, "limit": limit, "episodes": episodes}
        write_json(out, transfer_record(verdict, raw, **about, seed=seed))
    return verdict


def check_pair(
    path: Path,
    task: str | None,
    *,
    source: str | None = None,
    target: str | None = None,
    cost_fn: str | None = None,
    source_cost_fn: str | None = None,
    view: str | None = None,
    **options: Any,
) -> TransferVerdict:
    """The same in environments of the user's, all named `MODULE:NAME`.

    Options are those of `handrail.check_transfer`. Raises `HandrailError` where one of the two is
    not named, or a task of handrail's is.
    """
    from handrail.api.transfer import check_transfer
    from handrail.envs.gymnasium.named import attribute, factory

    if task is not None or source is None or target is None:
        raise HandrailError(
            "give --source and --target for environments of your own (MODULE:ID or "
            "MODULE:FUNCTION), or --task alone for a navigation task"
        )

    def named(what: str | None, option: str) -> Any:
        return None if what is None else attribute(what, option)

    seen = "a function of the observation, such as handrail.View.keep(['position'])"
    return check_transfer(
        path, factory(source), factory(target),
        view=None if view is None else attribute(view, "--view", seen),
        cost=named(cost_fn, "--cost-fn"), source_cost=named(source_cost_fn, "--source-cost-fn"),
        **options,
    )  # fmt: skip


def trained_on(path: Path, card: Card, task: str | None = None) -> str:
    """The task of a guide by its card, or this one where the card has none."""
    name = card.training.get("task", task)
    if not isinstance(name, str):
        raise HandrailError(f"{path}: the card does not say which task it is for; give --task")
    return name


def _task(name: str) -> TransferTask:
    """A task, freshly built. Raises `HandrailError` if it is unknown, lacks its simulator, or is
    of a family whose knowledge is no guide.
    """
    family = family_of(name)
    if family.transfer is None:
        raise HandrailError(
            f"{name!r} is a task of {family.name}, where no guide is learnt in a source; expected "
            "the task that a guide is to act in"
        )
    return family.transfer(name)


def _problem(home: TransferTask, away: TransferTask, name: str) -> Any:
    """The transfer problem, or a finding that says why there is none."""
    if home.robot != away.robot:
        wrong = (
            f"it does not fit: it drove the robot {home.robot!r}, and the target's is a "
            f"{away.robot!r}, which does something else with the same actions"
        )
        return TransferFinding("robot", home.robot, away.robot, "the same", wrong)
    try:
        return _crossed(home, away, name)
    except HandrailError as error:
        wrong = f"it does not fit: {error}"
        return TransferFinding("observation and actions", "", "", "the same", wrong)


def _crossed(home: TransferTask, away: TransferTask, name: str) -> TransferProblem:
    """The source of one task and the target of another, each compiled or on the host."""
    return TransferProblem(home.problem.source, away.problem.target, home.problem.view, name)


def show(verdict: TransferVerdict) -> None:
    """Prints the findings as a table, then the verdict and its reasons in words."""
    from rich.console import Console
    from rich.table import Table

    from handrail.report.console import literal

    console = Console()
    table = Table(title="What was found (95 % intervals over episodes)", title_justify="left")
    for column in ("", "source", "target", "expected", ""):
        table.add_column(column, overflow="fold")
    for found in verdict.findings:
        faulty = found.wrong or found.hinders
        mark = "[red]no[/red]" if faulty else "[green]yes[/green]" if found.expected else ""
        told = (found.question, found.source, found.target, found.expected)
        table.add_row(*map(literal, told), mark)
    console.print(table)
    for note in verdict.notes:
        console.print(literal(f"Note: {note}."))
    colour = "green" if verdict.passed else "red"
    console.print(literal(verdict.text, f"bold {colour}"))
