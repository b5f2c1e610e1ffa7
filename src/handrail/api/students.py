"""A student in a target of one's own, with a guide where it is dangerous."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.api.reporting import leaves_report
from handrail.core.arguments import checked, folder_of, seed_number, settings_of, truth, whole
from handrail.core.artifact import checksums
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.identity import passed_in
from handrail.core.recorded import PASSED, stable
from handrail.core.renamed import VALUES, takes_old_names
from handrail.envs.gymnasium.building import (
    Environment,
    built_twice,
    checked_intervention,
    closes_environments,
    episode_limit,
    episode_steps,
    needs_box,
)
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.side_info import SideInfo
from handrail.equations.budget import discounted_limit
from handrail.interventions.base import Intervention
from handrail.interventions.with_info import info_names
from handrail.knowledge.catalog import located_guide
from handrail.methods.sagui.cards import guide_warnings
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.near_settings import NEAR, NearUnsafeSettings
from handrail.methods.sagui.offline_batch import kept_beside
from handrail.methods.sagui.on_policy_settings import OnPolicySettings
from handrail.methods.sagui.outside_guide import PolicyGuide
from handrail.methods.sagui.own_problems import target_in
from handrail.methods.sagui.presets import own_student
from handrail.methods.sagui.problem import interface_of
from handrail.methods.sagui.settings import SacSettings, StudentRun
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.takeover_settings import (
    EXECUTED,
    PLAIN,
    RISK,
    RiskSettings,
    StoredSettings,
    TakeoverSettings,
)
from handrail.methods.sagui.train_student import train_student as train
from handrail.methods.sagui.unread import refuse_unread

Report = Callable[[int, int], None]
OFFERED = tuple(name for name, row in METHODS.items() if set(row.needs) <= {"guide", "encoder"})
LOG = logging.getLogger(__name__)
OLD_NAMES = {"margin": "limit_fraction", "excursions": "guide_interval_share"}


@takes_old_names(OLD_NAMES, {"method": VALUES["StudentRun"]["method"]})
@leaves_report
@closes_environments
def train_student(
    target: Environment,
    guide: Path | str | PolicyGuide | None,
    folder: Path | str,
    *,
    method: str = "budget-switch",
    view: Callable[[Any], Any] | None = None,
    intervention: Intervention | None = None,
    initial: Path | str | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    limit: float | None = None,
    parts: Sequence[str] | None = None,
    info_columns: Sequence[str] = (),
    threshold: float | None = None,
    takeover_cost: float | None = None,
    takeover: TakeoverSettings | Mapping[str, Any] | None = None,
    stored: StoredSettings | Mapping[str, Any] | None = None,
    risk: RiskSettings | Mapping[str, Any] | None = None,
    encoder: Path | str | None = None,
    near: NearUnsafeSettings | Mapping[str, Any] | None = None,
    limit_fraction: float | None = None,
    guide_interval_share: float | None = None,
    distil: bool = False,
    source_data: bool = False,
    source_price: float | None = None,
    episode_length: int | None = None,
    steps: int = 100_000,
    epoch: int = 10_000,
    evaluation_episodes: int = 10,
    learning: SacSettings | Mapping[str, Any] | None = None,
    on_policy: OnPolicySettings | Mapping[str, Any] | None = None,
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
            side (a Gymnasium vector environment), or a compiled environment.
        guide: its file, or what `guide_from_policy` returns; None for a method without one, such as
            `sac-lagrangian`.
        folder: of the run; it must be empty or hold this very run.
        method: any that needs no more than a guide, such as `budget-switch`, `control-switch`,
            `linear-decay`, or without a guide `sac-lagrangian`, and the on-policy `cpo`,
            `ppo-lagrangian`, `trpo-lagrangian` (`handrail list`).
        view: the guide's parts of the target's observation; by default those of the same names.
            Of methods with a guide.
        intervention: a shield of yours, WHEN × WHAT, such as `shield(...)`, with or without a
            guide. It judges what the student or the guide is about to do, has the last word, and
            sees the target's observation. What is executed is what is learnt from. The summary has
            its share of the steps as `shield_rate`, `intervention_rate` counts the guide's, too.
        initial: the file of a student's policy, which this one's begins as, in the same environment
            or another one with the same observation and actions. Critics and memory begin anew, so
            a finished run goes on in another folder, and a policy is fine-tuned elsewhere.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        limit: expected undiscounted cost of an episode; at least the guide's.
        threshold: of budget-switch, in multiples of the limit on the critic's scale; by default
            the predicted cost that the guide's file says, from its shield test.
        takeover_cost: the same as a predicted discounted cost, as `handrail.try_guide` has it.
        takeover: how the guide's critics are read (`pessimism`), and for how long it stays
            (`release`, `hold_steps`): `TakeoverSettings`, or a dictionary of them.
        stored: what the student keeps of steps in which its guide acted (`action`, `penalty`,
            `takeover_ends`): `StoredSettings`, or a dictionary of them.
        risk: what a student without a guide learns of risk, under `recovery-rl`, `sqrl` and `csc`
            (`limit`, `discount`): `RiskSettings`, or a dictionary of them.
        encoder: the file of `train_source_encoder`, of methods whose guide acts near unsafe states,
            such as `near-unsafe-switch`. It sees what the guide sees.
        near: when a state counts as near unsafe ones (`max_distance`, `neighbours`), under those
            methods: `NearUnsafeSettings`, or a dictionary of them.
        limit_fraction: the limit that the student's multiplier aims at, as a share of `limit`; by
            default 0.5, under linear-decay 1 (docs/results/static.md).
        guide_interval_share: share of the steps, 0 to 1, that the guide takes at random, in
            intervals of 50 steps, so that the student sees more of the task; by default 0.1 under
            budget-switch, else 0.
        distil: also pull the student towards what the guide does, as the paper has it, by the
            true densities of its actions.
        source_data: also learn costs from the steps that the guide's training has kept beside its
            file (`keep`), where the student would go on as it does here.
        source_price: what a cost is worth there at least, in rewards; by default what guides pay,
            ln 2. Of `source_data`.
        info_columns: names of numbers in the info of an episode's last step, such as `is_success`:
            columns `info.is_success` of `episodes.csv`, and their means in tests and the summary.
        episode_length: the time limit in steps, if the environment does not say.
        steps: environment steps, those of all side by side; a multiple of `epoch`.
        epoch: steps between two tests.
        evaluation_episodes: whole episodes of each.
        learning: the learner; by default our preset, in which the guide's cost critic is a
            floor of the student's (docs/results/static.md). A dictionary changes what it names,
            `SacSettings` all.
        on_policy: what on-policy methods have beside it; `epoch` is a multiple of its `batch`, and
            that of the environments side by side.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = folder_of(folder)
    encoded = None if encoder is None else folder_of(encoder, "encoder")
    _check_method(method, guide, encoded)
    row = METHODS[method]
    ours = own_student(StudentRun(method=method))
    run = dataclasses.replace(
        ours, seed=seed_number(seed), steps=steps, epoch=epoch,
        test_episodes=whole("evaluation_episodes", evaluation_episodes, least=1),
        takeover=settings_of("takeover", takeover, PLAIN),
        stored=settings_of("stored", stored, EXECUTED),
        risk=settings_of("risk", risk, RISK),
        near=settings_of("near", near, NEAR),
        limit_fraction=_given(limit_fraction, ours.limit_fraction),
        guide_interval_share=_given(guide_interval_share, ours.guide_interval_share),
        source_data=truth("source_data", source_data),
        learning=settings_of("learning", learning, ours.learning),
        on_policy=settings_of("on_policy", on_policy, OnPolicySettings()),
    )  # fmt: skip
    pulled = truth("distil", distil)
    refuse_unread(row, {
        "threshold": threshold, "takeover_cost": takeover_cost, "distil": pulled, "view": view,
        "source_price": source_price,
    }, source_data=run.source_data)  # fmt: skip
    if row.agent is None:
        run = dataclasses.replace(
            run, threshold=threshold,
            distillation="authors" if pulled else ours.distillation,
            source_price=_given(source_price, ours.source_price),
        )  # fmt: skip
    run = checked(run)
    shield = checked_intervention(intervention)
    found = None if guide is None else located_guide(guide)
    outside = found if isinstance(found, PolicyGuide) else None
    brings = {"guide": found, "encoder": encoded}
    files = {kind: Path(file) for kind, file in brings.items() if file is not None}
    start = None if initial is None else folder_of(initial, "initial")
    host, trial = built_twice(
        target, cost=cost, limits=limits, parts=parts, episode_length=episode_length,
        side_info=SideInfo(info_names(shield)), info_columns=info_columns,
        warn_of_scales=not run.learning.normalise_observations,
    )  # fmt: skip
    needs_box(host)
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    run = checked(dataclasses.replace(run, environment=host.name, limit=allowed))
    if takeover_cost is not None:  # of a method that has a guide
        file = open_guide(outside or files["guide"], interface_of(host, longest), view=view)
        predicted = file.takeover(allowed, threshold, takeover_cost).predicted_cost
        scaled = discounted_limit(allowed, file.guide.discount, longest)
        if not scaled:
            raise HandrailError(
                f"limit is 0, and takeover_cost is {takeover_cost:g}: a run keeps it as a multiple "
                "of the limit; leave it out, or give a limit above 0, such as 0.01"
            )
        run = dataclasses.replace(run, threshold=predicted / scaled)
    where = target_in(
        host, trial, longest, view=view, shield=shield, initial=start, outside=outside
    )
    warned = guide_warnings(files, allowed, longest)
    for text in warned:
        LOG.warning("%s: %s", files["guide"], text)
    brought = {} if shield is None else {"intervention": shield}
    recorded = {
        "purpose": "own student", "run": stable(run),
        "needs": checksums({
            **files, **kept_beside(files, wanted=run.source_data),
            **({} if start is None else {"initial": start}),
        }),
        "episode_length": longest,
        **({"info_columns": list(info_columns)} if info_columns else {}),
        PASSED: passed_in(
            host, target, cost=cost, view=view, parts=parts, limits=limits, **brought
        ),
    }  # fmt: skip
    return train(
        where, run, files, folder, recorded=recorded, warnings=tuple(warned), report=report
    )


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _check_method(
    method: str, guide: Path | str | PolicyGuide | None, encoder: Path | None
) -> None:
    if method not in OFFERED:
        raise UnknownName("method", method, OFFERED)
    encodes = "encoder" in METHODS[method].needs
    if encoder is not None and not encodes:
        raise HandrailError(f"method {method!r} has no encoder: leave encoder out")
    if encoder is None and encodes:
        raise HandrailError(
            f"method {method!r} needs the file of an encoder: give encoder=, such as that of "
            "handrail.train_source_encoder"
        )
    needed = METHODS[method].needs_guide
    if guide is not None and not needed:
        raise HandrailError(f"method {method!r} has no guide: give None for it")
    if guide is None and needed:
        raise HandrailError(f"method {method!r} needs the file of a guide")
