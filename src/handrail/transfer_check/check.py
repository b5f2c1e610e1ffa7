"""The whole check of a guide in a pair of tasks: measure, judge, and try it as a shield."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array, Key

from handrail.core.rng import stream
from handrail.core.strict_json import plain_json
from handrail.envs.host import AnyEnvironment
from handrail.envs.transfer import TransferProblem
from handrail.equations.budget import LIMIT_STEPS
from handrail.methods.sagui.shield import evaluate_shield
from handrail.transfer_check.measurement import Report, measure
from handrail.transfer_check.shield_finding import under_shield
from handrail.transfer_check.verdict import TransferVerdict, judge


@dataclasses.dataclass(frozen=True)
class Checked:
    """What is checked, with all limits undiscounted and of an episode of `limit_steps` steps."""

    problem: TransferProblem
    guides: Mapping[str, Any]
    """The guide as it is asked in the `source` and in the `target`."""
    shield_tests: Mapping[str, AnyEnvironment]
    """Where it is tried as a shield, by the same names."""
    discount: float
    """γ of its critics."""
    takeover_cost: float
    """The discounted cost, predicted of a proposed action, at which it takes over in the test."""
    own_limit: float
    """What it was trained for."""
    limit: float
    """The student's."""
    limit_fraction: float = 1.0
    """Of its limit, what the student aims at."""
    limit_steps: int = LIMIT_STEPS
    longest: int | None = None
    """Steps after which the shield test cuts an episode off, if its environment does not."""
    length: int = LIMIT_STEPS
    """Steps of an episode of the target."""


def checked_transfer(
    what: Checked,
    *,
    episodes: int,
    key: Key[Array, ""],
    another: Callable[[], TransferProblem] | None = None,
    report: Report = lambda what, done, total: None,
) -> tuple[TransferVerdict, dict[str, Any]]:
    """The verdict, and the raw numbers behind it as JSON. Options are those of `measure`."""
    measured = measure(
        what.problem, what.guides, episodes=episodes, discount=what.discount, limit=what.limit,
        limit_fraction=what.limit_fraction, limit_steps=what.limit_steps, key=key, another=another,
        report=report,
    )  # fmt: skip
    judged = judge(
        measured, own_limit=what.own_limit, limit=what.limit, limit_fraction=what.limit_fraction
    ).findings
    tests = {
        name: evaluate_shield(
            environment, what.guides[name], threshold=what.takeover_cost, episodes=episodes,
            longest=what.longest, key=stream(key, name),
        )
        for name, environment in what.shield_tests.items()
    }  # fmt: skip
    found = under_shield(**tests, limit=what.limit, length=what.length)
    guarded = {
        f"guarded_{name}": {
            "costs": test.costs, "lengths": test.lengths, "taken_over": test.interventions
        }
        for name, test in tests.items()
    }  # fmt: skip
    return TransferVerdict((*judged, found)), plain_json(measured) | plain_json(guarded)


def transfer_record(
    verdict: TransferVerdict, raw: Mapping[str, Any], **about: Any
) -> dict[str, Any]:
    """All of a check as JSON: what it was `about`, what was found, and the raw numbers."""
    return {
        **about,
        "trusted": verdict.trusted,
        "hindrances": verdict.hindrances,
        "verdict": verdict.text,
        "notes": verdict.notes,
        "findings": [dataclasses.asdict(finding) for finding in verdict.findings],
        "measured": dict(raw),
    }
