"""A student learns the task's reward in the target, with a guide where that is dangerous."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.core.arguments import checked
from handrail.core.artifact import Card, save
from handrail.core.errors import HandrailError
from handrail.core.recorded import stable
from handrail.core.records import BEST, EVALUATIONS, POLICY, read_table
from handrail.core.rng import stream
from handrail.equations.budget import discounted_limit
from handrail.equations.distillation import Distillation, authors_distillation, paper_distillation
from handrail.equations.importance import (
    authors_point,
    exact_point,
    weight_inside_square,
    weight_outside_square,
)
from handrail.interventions.base import Intervention
from handrail.interventions.overruled import EVIDENCE, Overruled, overruled
from handrail.interventions.recipes import with_guide_intervals
from handrail.learners.base import AbstractAgent
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.constraint import CostSlack, policy_actions, replay_actions, whole_cost
from handrail.learners.sac.networks import OnVectors
from handrail.methods.sagui.agents import (
    check_overruled,
    check_stored,
    memory,
    risk_agent,
    sac_agent,
    sac_learner,
    stored,
)
from handrail.methods.sagui.cards import Limits, Networks, card_of
from handrail.methods.sagui.epochs import Report, run_by_epochs
from handrail.methods.sagui.evaluations import (
    STUDENT_COLUMNS,
    behaviour,
    best,
    cost_columns,
    episodes_above,
    record,
    tested,
    try_policy,
)
from handrail.methods.sagui.guide_file import GuideFile
from handrail.methods.sagui.metrics import Curves, summary
from handrail.methods.sagui.near_settings import NEAR
from handrail.methods.sagui.pretraining import begun_from, loop_in
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.schedule import check_schedule
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.student_knowledge import FittedKnowledge, load_knowledge
from handrail.methods.sagui.table import METHODS, StudentMethod, block_of, row_of
from handrail.methods.sagui.takeover import Takeover
from handrail.methods.sagui.unread import check_takeover, refuse_on_policy
from handrail.train.compiled import RunState
from handrail.train.course import Course, coursed
from handrail.train.evidence import total
from handrail.train.loops import AnyLoop
from handrail.train.run import cost_so_far


def check(run: StudentRun, given: Mapping[str, Any]) -> StudentMethod:
    """The method of a run, after all that can be said of its settings before anything is computed.

    `given` are the files of knowledge by kind.
    """
    checked(run)
    method = row_of(run.method)
    if method.agent is not None:
        method.agent.check(run)
    refuse_on_policy(method, run.on_policy)
    check_schedule(run.steps, run.epoch, block_of(run))
    if run.threshold == 0:
        raise HandrailError(
            f"threshold is {run.threshold}: expected a positive multiple of the limit, such as 2.0"
        )
    check_takeover(method, run.takeover)
    check_stored(run, method)
    if run.near != NEAR and "encoder" not in method.needs:
        raise HandrailError(
            f"near is {run.near}, but method {run.method!r} has no encoder that says which states "
            "are near unsafe ones: leave it out, or take one that has, such as "
            "'near-unsafe-switch'"
        )
    if run.guide_interval_share and method.single_actor:
        raise HandrailError(
            f"guide_interval_share is {run.guide_interval_share}, but method {run.method!r} "
            "has one actor, so nobody else can act; leave it at 0"
        )
    if run.source_data and not method.needs_guide:
        raise HandrailError(
            f"source_data is true, but method {run.method!r} has no guide beside which steps of "
            "the source are kept; set it to false"
        )
    if splits(run) and method.single_actor:
        raise HandrailError(
            f"method {run.method!r} has one actor, so a split replay would never be ready to "
            "learn from; set replay to 'ring' or 'auto'"
        )
    for kind in method.needs:
        if given.get(kind) is None:
            raise HandrailError(f"method {run.method!r} needs the file of a {kind}")
    return method


def splits(run: StudentRun) -> bool:
    """Whether each actor has a memory of its own."""
    return METHODS[run.method].split_replay if run.replay == "auto" else run.replay == "split"


def student_loop(target: Target, run: StudentRun, files: Mapping[str, Path]) -> AnyLoop:
    """The loop of a run. Raises `HandrailError` where settings or knowledge do not fit."""
    method = check(run, files)
    check_overruled(run, method, shielded=target.shield is not None)
    loaded = load_knowledge(target, run, files)
    agent: AbstractAgent = _agent(target, run, loaded)
    if method.risk is not None:
        agent = risk_agent(run, target.interface, agent, method.risk(run.risk, run.learning))
    intervention = who_acts(target, run, loaded, interval_share=run.guide_interval_share)
    return loop_in(target, run.method, agent, intervention, run.steps)


def who_acts(
    target: Target, run: StudentRun, loaded: FittedKnowledge, *, interval_share: float = 0.0
) -> Intervention:
    """Who acts when: as the method says, then the target's shield.

    The guide also acts in this share of the steps, at random.
    """
    switch = METHODS[run.method].intervention(takeover(target, run, loaded.file), loaded.known)
    key = stream(jax.random.key(10 * run.seed), "excursions")
    intervention = with_guide_intervals(switch, interval_share, key=key)
    return intervention if target.shield is None else overruled(intervention, by=target.shield)


def takeover(target: Target, run: StudentRun, file: GuideFile | None) -> Takeover:
    """Where the guide takes over from this student."""
    if file is not None:
        if METHODS[run.method].has_threshold:
            file.check_threshold(run.limit, run.threshold)
        how = file.takeover(run.limit, run.threshold, how=run.takeover)
        return dataclasses.replace(how, near=run.near)
    where = Takeover.of(
        run.limit, run.threshold, run.learning.discount, target.interface.limit_steps, run.takeover
    )
    return dataclasses.replace(where, risk=run.risk)


def _agent(target: Target, run: StudentRun, loaded: FittedKnowledge) -> AbstractAgent:
    on_policy = METHODS[run.method].agent
    if on_policy is not None:
        return dataclasses.replace(on_policy(target, run), initial=loaded.pretrained)
    return _sac(target, run, loaded)


def _sac(target: Target, run: StudentRun, loaded: FittedKnowledge) -> SacAgent:
    squares = {
        "squared": weight_inside_square,
        "linear": weight_outside_square,
        "none": weight_outside_square,  # of weights that are all 1
    }
    points = {"authors": authors_point, "exact": exact_point}
    constraints = {"replay_actions": replay_actions, "policy_actions": policy_actions}
    guide = loaded.known.guide
    pull = None if guide is None else distillation(run)
    # densities are worth their time only where a pull or a weight reads them
    weighed = pull is not None or run.weighting != "none"
    acts = loaded.known.expert if guide is None else guide.distribution if weighed else None
    scale = discounted_limit(run.limit, run.learning.discount, target.interface.limit_steps)
    free = run.cost_slack * scale
    learner = sac_learner(
        run.learning,
        run.limit_fraction * run.limit,
        target.interface.limit_steps,
        where=target.interface,
        parts=target.scaled_parts,
        predicted_costs=None if guide is None else guide.costs,
        distillation=pull,
        weighted_square=squares[run.weighting],
        constrained=constraints[run.multiplier_on],
        actor_costs=CostSlack(free) if free else whole_cost,
        source_price=run.source_price,
        constraints=tuple(target.interface.limits.items()),
    )
    initial = loaded.pretrained
    if target.initial is not None:
        key = stream(jax.random.key(10 * run.seed), "initial")
        initial = begun_from(target.initial, target, learner, run.learning, key=key)
    weighs = {"ratio_low": 1.0, "ratio_high": 1.0} if run.weighting == "none" else {}
    return sac_agent(
        run.learning,
        learner,
        memory(
            run.learning,
            run.steps,
            target.interface,
            split=splits(run),
            width=getattr(target.training, "copies", 1),
        ),
        guide=acts if weighed else None,
        source=loaded.source,
        initial=initial,
        stored=stored(run.stored, guide),
        point=points[run.density],
        **weighs,
    )


def distillation(run: StudentRun) -> Distillation | None:
    """The pull towards the guide: the ablations replace its strength."""
    named = {"authors": authors_distillation(), "paper": paper_distillation(), "none": None}[
        run.distillation
    ]
    strength = METHODS[run.method].strength
    if strength is None:
        return named
    if named is None:
        raise HandrailError(f"method {run.method!r} distils: distillation cannot be 'none'")
    return dataclasses.replace(named, strength=strength(run.strength))


@coursed
def train_student(
    target: Target,
    run: StudentRun,
    files: Mapping[str, Path],
    folder: Path,
    *,
    recorded: dict[str, Any],
    warnings: tuple[str, ...] = (),
    report: Report = lambda step, total: None,
) -> Course[dict[str, Any]]:
    """Trains in `folder` (resumably) and returns the summary.

    After every epoch `evaluations.csv` gains a row: what the behaviour policy, interventions
    included, earned and cost in the episodes that ended in the epoch, and how the student's own
    policy, sampled and without a guide, does in a test. That policy is kept at the end, and beside
    it the best of those that kept the limit in their test. `files` are those of the knowledge by
    kind, `recorded` is what the run is known by, and `warnings` are repeated in the summary, which
    has the share of the steps that the target's shield took as `shield_rate`, if there is one.
    """
    run = checked(run)
    loop = student_loop(target, run, files)
    limits = target.interface.limits
    each = [cost_columns(what, limits) for what in ("behaviour_", "target_")]
    said = getattr(target.testing, "info_columns", None)
    told = (
        [what + name for what in ("behaviour_", "target_") for name in said.columns] if said else []
    )
    columns = (*STUDENT_COLUMNS, *each[0], *each[1], *told)

    def watch(step: int, state: RunState) -> None:
        actor = state.agent.learner.parameters.actor
        test = try_policy(
            target.testing, OnVectors(actor), episodes=run.test_episodes,
            longest=target.longest, key=stream(state.key, "test", step),
        )  # fmt: skip
        alone = {f"target_{name}": value for name, value in tested(test, limits).items()}
        alone |= said.means("target_") if said else {}
        row = {"step": step, **behaviour(folder, step, run.epoch, limits), **alone}
        table = record(folder, columns, row)
        last = len(table["step"]) - 1
        if row["target_cost"] <= run.limit and best(table, run.limit, "target_") == last:
            save(folder / BEST, _card(target, run, row), actor)

    def summarise(state: RunState) -> dict[str, Any]:
        save(folder / POLICY, _card(target, run, None), state.agent.learner.parameters.actor)
        table = read_table(folder / EVALUATIONS)
        shielded = target.shield is not None
        return {
            **({"shield_rate": total(folder, EVIDENCE) / run.steps} if shielded else {}),
            "total_cost": cost_so_far(folder),
            "limit": run.limit,
            "limit_steps": target.interface.limit_steps,
            "episodes_above_limit": episodes_above(folder, run.limit, limits),
            **summary(Curves.of(table), run.limit, target.interface.limit_steps),
            **verdict(table, run.limit),
            **takeover_cost(loop.intervention),
            "guide_warnings": list(warnings),
        }

    return (yield from run_by_epochs.course(
        loop, folder, recorded, run,
        seed=10 * run.seed, watch=watch, summarise=summarise, report=report,
    ))  # fmt: skip


def takeover_cost(intervention: Intervention) -> dict[str, float]:
    """The predicted cost above which the guide takes over; nothing where no critic is asked."""
    switch = intervention.first if isinstance(intervention, Overruled) else intervention
    compared = switch.when.thresholds()
    found = [each.value for each in compared if each.quantity == "predicted_cost"]
    return {"takeover_cost": float(found[0])} if found else {}


def verdict(table: Mapping[str, Any], limit: float) -> dict[str, Any]:
    """Whether the student alone keeps the limit in its last test, and its best safe epoch."""
    last = {name: float(column[-1]) for name, column in table.items()}
    chosen = best(table, limit, "target_")
    safe = bool(table["target_cost"][chosen] <= limit)
    names = ("step", "target_return", "target_cost")
    return {
        "within_limit_alone": bool(last["target_cost"] <= limit),
        "best_safe": {name: float(table[name][chosen]) for name in names} if safe else None,
        "last_epoch": last,
    }


def _card(target: Target, run: StudentRun, row: Mapping[str, float] | None) -> Card:
    tested_as = {} if row is None else {"evaluation": dict(row)}
    return card_of(
        "policy",
        target.interface,
        Networks.of(run.learning, target.interface),
        Limits(run.limit, target.interface.limit_steps, target.interface.limits),
        training={"task": run.environment, "settings": stable(run), **tested_as},
    )
