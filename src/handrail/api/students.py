"""A student in a target of one's own, with a guide where it is dangerous."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.api.environments import (
    Environment,
    built_twice,
    checked_intervention,
    closes_environments,
    episode_limit,
    episode_steps,
    needs_box,
)
from handrail.api.reporting import leaves_report
from handrail.core.arguments import checked, folder_of, seed_number, settings_of, truth, whole
from handrail.core.artifact import checksums, load
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.identity import passed_in
from handrail.core.recorded import PASSED, stable
from handrail.core.renamed import VALUES, takes_old_names
from handrail.envs.gymnasium.costs import CostFn
from handrail.equations.budget import discounted_limit
from handrail.interventions.base import Intervention
from handrail.knowledge.catalog import located
from handrail.methods.sagui.cards import warnings_of
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.offline_batch import kept_beside
from handrail.methods.sagui.presets import SOURCE_PRICE, default_limit_fraction, recommended_student
from handrail.methods.sagui.problem import Target, interface_of
from handrail.methods.sagui.settings import SacSettings, StudentRun
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_student import train_student as train

Report = Callable[[int, int], None]
OFFERED = tuple(name for name, row in METHODS.items() if set(row.needs) <= {"guide"})
LOG = logging.getLogger(__name__)
OLD_NAMES = {"margin": "limit_fraction", "excursions": "guide_interval_share"}


@takes_old_names(OLD_NAMES, {"method": VALUES["StudentRun"]["method"]})
@leaves_report
@closes_environments
def train_student(
    target: Environment,
    guide: Path | str | None,
    folder: Path | str,
    *,
    method: str = "budget-switch",
    view: Callable[[Any], Any] | None = None,
    intervention: Intervention | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    limit: float | None = None,
    parts: Sequence[str] | None = None,
    threshold: float | None = None,
    takeover_cost: float | None = None,
    limit_fraction: float | None = None,
    guide_interval_share: float | None = None,
    distil: bool = False,
    source_data: bool = False,
    source_price: float = SOURCE_PRICE,
    episode_length: int | None = None,
    steps: int = 100_000,
    epoch: int = 10_000,
    evaluation_episodes: int = 10,
    learning: SacSettings | None = None,
    seed: int = 0,
    report: Report = lambda step, total: None,
) -> dict[str, Any]:
    """Trains a student in the target, with a guide where it is dangerous; returns a summary.

    `evaluations.csv` in the folder has a row an epoch: the behaviour, interventions
    included, and a test of the student alone, whose policy is kept as `policy.safetensors`.
    What the shield test (`handrail.try_guide`) says against the guide is logged and in the summary.
    Differs from the paper: one replay for both actors, since a guide that seldom acts would leave
    a split one waiting; no importance weights; the multiplier looks at what the student would do
    now, and aims below the limit; under budget-switch the guide also acts in random intervals.

    Args:
        target: id of the environment, or a function that builds it, or several of it side by
            side (a Gymnasium vector environment).
        guide: its file; None for a method without one, such as `sac-lagrangian`.
        folder: of the run; it must be empty or hold this very run.
        method: any that needs no more than a guide, such as `budget-switch`, `control-switch`,
            `linear-decay`, or `sac-lagrangian` without a guide (`handrail list`).
        view: the guide's parts of the target's observation; by default those of the same names.
        intervention: a shield of yours, WHEN × WHAT, such as `shield(...)`, with or without a
            guide. It judges what the student or the guide is about to do, has the last word, and
            sees the target's observation. What is executed is what is learnt from. The summary has
            its share of the steps as `shield_rate`, `intervention_rate` counts the guide's, too.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        limit: expected undiscounted cost of an episode; at least the guide's.
        threshold: of budget-switch, in multiples of the limit on the critic's scale; by default
            the predicted cost that the guide's file says, from its shield test.
        takeover_cost: the same as a predicted discounted cost, as `handrail.try_guide` has it.
        limit_fraction: the limit that the student's multiplier aims at, as a share of `limit`; by
            default 0.5, under linear-decay 1 (docs/results/static.md).
        guide_interval_share: share of the steps, 0 to 1, that the guide takes at random, in
            intervals of 50 steps, so that the student sees more of the task; by default 0.1 under
            budget-switch, else 0.
        distil: also pull the student towards what the guide does, as the paper has it, by the
            true densities of its actions.
        source_data: also learn costs from the steps that the guide's training has kept beside its
            file (`keep`), where the student would go on as it does here.
        source_price: what a cost is worth there at least, in rewards; by default what guides pay.
        episode_length: the time limit in steps, if the environment does not say.
        steps: environment steps, those of all side by side; a multiple of `epoch`.
        epoch: steps between two tests.
        evaluation_episodes: whole episodes of each.
        learning: the learner; by default our preset, in which the guide's cost critic is a
            floor of the student's (docs/results/static.md).
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = folder_of(folder)
    _check_method(method, guide)
    row = METHODS[method]
    default = SacSettings()
    default = recommended_student(default, rate=1.0) if row.has_guide else default
    run = StudentRun(
        method=method, seed=seed_number(seed), steps=steps, epoch=epoch,
        test_episodes=whole("evaluation_episodes", evaluation_episodes, least=1),
        threshold=threshold,
        distillation="authors" if truth("distil", distil) or row.strength else "none",
        density="exact", weighting="none", multiplier_on="policy_actions",
        limit_fraction=_given(limit_fraction, default_limit_fraction(method, split=False)),
        guide_interval_share=_given(guide_interval_share, row.guide_interval_share),
        source_data=truth("source_data", source_data), source_price=source_price, replay="ring",
        learning=settings_of("learning", learning, default),
    )  # fmt: skip
    run = checked(run)
    shield = checked_intervention(intervention)
    files = {} if guide is None else {"guide": located("guide", guide)}
    host, trial = built_twice(
        target, cost=cost, limits=limits, parts=parts, episode_length=episode_length,
        warn_of_scales=not run.learning.normalise_observations,
    )  # fmt: skip
    needs_box(host)
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    run = checked(dataclasses.replace(run, environment=host.name, limit=allowed))
    interface = interface_of(host, longest)
    if takeover_cost is not None and files:
        file = open_guide(files["guide"], interface, view=view)
        predicted = file.takeover(allowed, threshold, takeover_cost).predicted_cost
        scaled = discounted_limit(allowed, file.guide.discount, longest)
        run = dataclasses.replace(run, threshold=predicted / scaled)
    elif takeover_cost is not None:
        raise HandrailError(f"method {method!r} has no guide to take over: leave takeover_cost out")
    where = Target(
        interface=interface,
        training=host,
        testing=trial,
        view=view,
        longest=longest,
        shield=shield,
        delayed=False,
    )
    warned = _warnings(files, allowed, longest)
    brought = {} if shield is None else {"intervention": shield}
    recorded = {
        "purpose": "own student", "run": stable(run),
        "needs": checksums({**files, **kept_beside(files, wanted=run.source_data)}),
        "episode_length": longest,
        PASSED: passed_in(
            host, target, cost=cost, view=view, parts=parts, limits=limits, **brought
        ),
    }  # fmt: skip
    return train(
        where, run, files, folder, recorded=recorded, warnings=tuple(warned), report=report
    )


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _check_method(method: str, guide: Path | str | None) -> None:
    if method not in OFFERED:
        raise UnknownName("method", method, OFFERED)
    needed = METHODS[method].needs_guide
    if guide is not None and not needed:
        raise HandrailError(f"method {method!r} has no guide: give None for it")
    if guide is None and needed:
        raise HandrailError(f"method {method!r} needs the file of a guide")


def _warnings(files: Mapping[str, Path], limit: float, steps: int) -> list[str]:
    """What speaks against the guide as a shield; logged as well."""
    if not files:
        return []
    found = warnings_of(load(files["guide"], expect="guide")[0], limit, steps)
    for text in found:
        LOG.warning("%s: %s", files["guide"], text)
    return found
