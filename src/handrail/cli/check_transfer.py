"""What `handrail check-transfer` does: load, run both tasks, judge."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.core.artifact import Card, load, number
from handrail.core.errors import HandrailError
from handrail.core.files import write_json
from handrail.envs.transfer import TransferProblem
from handrail.tasks.family import TransferTask
from handrail.tasks.registry import family_of
from handrail.transfer_check.finding import TransferFinding
from handrail.transfer_check.verdict import TransferVerdict, as_json, judge, limits


def check_transfer(
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

    from handrail.core.rng import stream
    from handrail.methods.sagui.guide_file import load_guide
    from handrail.methods.sagui.presets import TAKEOVER_STEPS
    from handrail.methods.sagui.shield import ShieldTest, evaluate_shield
    from handrail.transfer_check.measurement import measure
    from handrail.transfer_check.rollouts import Controller
    from handrail.transfer_check.shield_finding import under_shield

    card, _ = load(path, expect="guide")
    own_limit = number(card.spec.get("limit"), f"{path}: the card's limit", least=0)
    trained_on = _trained_on(path, card, task)
    name = task or trained_on
    home, away = _task(trained_on), _task(name)
    problem = _problem(home, away, trained_on, name)
    limit = away.limit if limit is None else limit
    if not limit >= 0:
        raise HandrailError(f"limit is {limit}: expected a cost of 0 or more an episode")
    raw: dict[str, Any] = {}
    if isinstance(problem, TransferFinding):
        verdict = TransferVerdict((limits(own_limit, limit), problem))
    else:
        guide = load_guide(path, problem)
        measured = measure(
            problem,
            Controller.of(guide.networks),
            episodes=episodes,
            discount=guide.discount,
            limit=limit,
            key=jax.random.key(seed),
            another=lambda: _crossed(_task(trained_on), _task(name), name),
            report=report,
        )
        judged = judge(measured, own_limit=own_limit, limit=limit).findings
        guards = {
            name: ShieldTest.of(
                evaluate_shield(
                    environment,
                    guide,
                    threshold=TAKEOVER_STEPS * away.harm,
                    episodes=episodes,
                    key=stream(jax.random.key(seed), name),
                )
            )
            for name, environment in (("source", problem.source), ("target", problem.target))
        }
        length = problem.target.episode_length
        verdict = TransferVerdict((*judged, under_shield(**guards, limit=limit, length=length)))
        raw = as_json(measured) | {f"guarded_{name}": as_json(g) for name, g in guards.items()}
    if out is not None:
        write_json(out, _record(path, name, limit, episodes, seed, verdict, raw))
    return verdict


def _trained_on(path: Path, card: Card, task: str | None) -> str:
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


def _problem(home: TransferTask, away: TransferTask, trained_on: str, name: str) -> Any:
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


def _record(path, task, limit, episodes, seed, verdict: TransferVerdict, raw) -> dict[str, Any]:
    return {
        "guide": path.name,
        "task": task,
        "limit": limit,
        "episodes": episodes,
        "seed": seed,
        "trusted": verdict.trusted,
        "hindrances": verdict.hindrances,
        "verdict": verdict.text,
        "notes": verdict.notes,
        "findings": [dataclasses.asdict(finding) for finding in verdict.findings],
        "measured": raw,
    }


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
