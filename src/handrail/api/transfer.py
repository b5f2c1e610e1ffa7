"""May a guide be trusted in another environment than its own? For any pair of simulators."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from handrail.api.policies import parts_of
from handrail.core.arguments import Range, number, seed_number, whole
from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.files import check_file, write_json
from handrail.envs.gymnasium.building import (
    Environment,
    Host,
    build_host,
    built,
    closes_environments,
    episode_steps,
)
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.transfer import TransferProblem
from handrail.knowledge.catalog import located_guide
from handrail.methods.sagui.guide_file import GuideFile, open_guide
from handrail.methods.sagui.outside_guide import PolicyGuide
from handrail.methods.sagui.problem import interface_of
from handrail.methods.sagui.shield import STEPS
from handrail.methods.sagui.table import LIMIT_FRACTION
from handrail.transfer_check.check import Checked, checked_transfer, transfer_record
from handrail.transfer_check.finding import TransferFinding
from handrail.transfer_check.verdict import TransferVerdict, limits


@closes_environments
def check_transfer(
    guide: Path | str | PolicyGuide,
    source: Environment,
    target: Environment,
    *,
    view: Callable[[Any], Any] | None = None,
    cost: CostFn | None = None,
    source_cost: CostFn | None = None,
    parts: Sequence[str] | None = None,
    source_parts: Sequence[str] | None = None,
    limit: float | None = None,
    limit_fraction: float = LIMIT_FRACTION,
    takeover_cost: float | None = None,
    episode_length: int | None = None,
    episodes: int = 100,
    seed: int = 0,
    out: Path | str | None = None,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> TransferVerdict:
    """Whether a guide may be trusted in the target, as far as simulators of both can tell.

    In each the guide drives `episodes` episodes alone, and takes over from a random explorer in
    twice as many. Compared are what that costs, what its cost critic predicts, and whether states
    that look alike to the guide cost alike (the Q^c-irrelevance of arXiv:2307.14316); then it is
    tried as a shield in both. `verdict.trusted` says whether it may be used,
    `verdict.hindrances` why a student would not learn from it, `verdict.text` both in words, and
    `verdict.findings` has every number with its 95 % interval.

    Args:
        guide: its file, the name of one that ships, or what `guide_from_policy` returns.
        source: what it was trained in: an id, a function that builds it, or several side by side.
        target: where it is to be used, likewise.
        view: the guide's parts of the target's observation; by default those of the same names.
        cost: `cost(obs, action, next_obs, info)` of the target; by default its own.
        source_cost: of the source; by default as `cost`.
        parts: of the target's `Dict` observation, those that are read.
        source_parts: of the source's; by default those that the guide knows.
        limit: the student's, of an episode of the target, undiscounted; by default the guide's own.
        limit_fraction: of that limit, what the student aims at; the default is that of
            `train_student`.
        takeover_cost: the predicted discounted cost at which it takes over in the shield test; by
            default that of its file.
        episode_length: the time limit in steps of both, if the environments do not say.
        episodes: whole episodes; a rare cost needs hundreds.
        seed: of everything.
        out: a file for the raw numbers, as JSON.
        report: called as `report(what, episodes done, all)`; `what` is source or target.

    Raises `HandrailError` for a guide that does not fit its source, several costs, and what
    `train_guide` refuses. A guide that does not fit the target is judged without running anything.
    """
    found, episodes = located_guide(guide), whole("episodes", episodes, least=2)
    path = Path(found)
    if out is not None:
        check_file(Path(out))
    key = jax.random.key(seed_number(seed))
    env = built(source)
    if source_parts is None:
        source_parts = parts_of(env, load(path, expect="guide")[0])
    costs = cost if source_cost is None else source_cost
    home = _host(lambda: env, costs, source_parts, episode_length)
    away = _host(target, cost, parts, episode_length)
    own = open_guide(found, interface_of(home, episode_steps(home, None)))
    raw: dict[str, Any] = {}
    length = episode_steps(away, None)
    try:
        there = open_guide(found, interface_of(away, length), view=view)
    except HandrailError as error:
        wrong = f"it does not fit: {error}"
        finding = TransferFinding("observation and actions", "", "", "the same", wrong)
        allowed = number("limit", _own_limit(own, length) if limit is None else limit)
        verdict = TransferVerdict((limits(_own_limit(own, length), allowed), finding))
    else:
        takeover = there.takeover_cost if takeover_cost is None else takeover_cost
        if takeover is None:
            raise HandrailError(
                f"{path}: the file does not say which predicted cost is too much: give "
                "takeover_cost, such as two steps' cost"
            )
        allowed = _own_limit(own, length) if limit is None else number("limit", limit)
        what = Checked(
            TransferProblem(home, away, there.guide.view, away.name),
            {"source": own.guide.in_source, "target": there.guide},
            {"source": home, "target": away},
            discount=own.guide.discount, takeover_cost=number("takeover_cost", takeover),
            own_limit=_own_limit(own, length), limit=allowed,
            limit_fraction=number("limit_fraction", limit_fraction, Range(0, 1, above=True)),
            limit_steps=length, length=length, longest=min(STEPS, length),
        )  # fmt: skip
        verdict, raw = checked_transfer(what, episodes=episodes, key=key, report=report)
    if out is not None:
        about = {"guide": path.name, "source": home.name, "target": away.name, "limit": allowed}
        record = transfer_record(verdict, raw, **about, episodes=episodes, seed=seed)
        write_json(Path(out), record)
    return verdict


def _host(
    environment: Environment, cost: CostFn | None, parts: Any, episode_length: int | None
) -> Host:
    host = build_host(environment, cost=cost, parts=parts, episode_length=episode_length)
    episode_steps(host, episode_length)
    return host


def _own_limit(file: GuideFile, length: int) -> float:
    """What it was trained for, of an episode of the target."""
    return file.limits.limit * length / file.limits.steps
