"""One student in the target: environment, agent and intervention of a method, and its record."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.arguments import checked
from handrail.artifact import Card, save
from handrail.envs.base import action_size
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.transfer import TransferProblem
from handrail.equations.budget import discounted_limit
from handrail.equations.distillation import (
    DecayingStrength,
    Distillation,
    FixedStrength,
    authors_distillation,
    paper_distillation,
)
from handrail.equations.importance import (
    authors_point,
    exact_point,
    weight_inside_square,
    weight_outside_square,
)
from handrail.errors import HandrailError, UnknownName
from handrail.experiments.navigation.agents import (
    LIMIT_STEPS,
    Continued,
    check_foresight,
    memory,
    sac_agent,
    sac_learner,
)
from handrail.experiments.navigation.environments import side_by_side
from handrail.experiments.navigation.evaluations import (
    CHECKPOINT_SECONDS,
    EVALUATIONS,
    STUDENT_COLUMNS,
    behaviour,
    chunk_steps,
    in_epoch,
    record,
    tested,
    try_policy,
)
from handrail.experiments.navigation.forebears import load_expert, load_pretrained
from handrail.experiments.navigation.guide import (
    Guide,
    load_guide,
    parts,
    random_guide,
)
from handrail.experiments.navigation.metrics import Curves, summary
from handrail.experiments.navigation.settings import (
    METHODS,
    NEEDS_EXPERT,
    NEEDS_GUIDE,
    NEEDS_PRETRAINED,
    ONE_ACTOR,
    StudentRun,
    check_part_of_limit,
    check_schedule,
    check_share,
)
from handrail.experiments.navigation.source_data import load_steps
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import (
    budget_switch,
    control_switch,
    linear_decay,
    none,
    with_excursions,
)
from handrail.interventions.what import Policy
from handrail.interventions.when import Always
from handrail.learners.constraint import Beyond, all_of_it, present_actions, stored_actions
from handrail.learners.sac_networks import Distribution, OnVectors, Sampled
from handrail.learners.source_data import SourceData
from handrail.records import read_table
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.loops import AnyLoop, make_loop
from handrail.train.run import execute

POLICY = "policy.safetensors"
NEEDS = {"guide": NEEDS_GUIDE, "expert": NEEDS_EXPERT, "pretrained": NEEDS_PRETRAINED}


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """The files that a run brings along."""

    guide: Path | None = None
    expert: Path | None = None
    pretrained: Path | None = None


def build(run: StudentRun, knowledge: Knowledge) -> AnyLoop:
    """The loop of a run. Raises `HandrailError` where settings or knowledge do not fit."""
    check(run, knowledge)
    problem = navigation_problem(run.environment)
    guide = _guide(run, knowledge, problem)
    expert = _expert(run, knowledge, problem)
    agent = _agent(run, parts(problem.target), guide, expert, _source_data(run, knowledge, problem))
    if run.method in NEEDS_PRETRAINED:
        assert knowledge.pretrained is not None  # `check` has seen to it
        agent = Continued(agent, load_pretrained(knowledge.pretrained, problem, run.learning))
    target = side_by_side(
        problem.target, lambda: navigation_problem(run.environment).target, run.copies
    )
    return make_loop(target, agent, _intervention(run, guide, expert), run.steps)


def check(run: StudentRun, knowledge: Knowledge) -> None:
    """Everything that can be said of the settings before anything is computed."""
    checked(run)
    if run.method not in METHODS:
        raise UnknownName("method", run.method, METHODS)
    check_schedule(run.steps, run.epoch, run.learning)
    if run.threshold <= 0:
        raise HandrailError(
            f"threshold is {run.threshold}: expected a positive multiple of the limit, such as 2.0"
        )
    check_part_of_limit("margin", run.margin)
    check_part_of_limit("tolerance", run.tolerance)
    check_share("excursions", run.excursions)
    if run.excursions and run.method in ONE_ACTOR:
        raise HandrailError(
            f"excursions is {run.excursions}, but method {run.method!r} has one actor, so nobody "
            "else can make them; leave it at 0"
        )
    if run.source_data and run.method not in NEEDS_GUIDE:
        raise HandrailError(
            f"source_data is true, but method {run.method!r} has no guide beside which steps of "
            "the source are kept; set it to false"
        )
    if run.splits and run.method in ONE_ACTOR:
        raise HandrailError(
            f"method {run.method!r} has one actor, so a split replay would never be ready to "
            "learn from; set replay to 'ring' or 'auto'"
        )
    for kind, methods in NEEDS.items():
        if run.method in methods and getattr(knowledge, kind) is None:
            raise HandrailError(f"method {run.method!r} needs the file of a {kind}")


def _guide(run: StudentRun, knowledge: Knowledge, problem: TransferProblem) -> Guide | None:
    if run.method == "random-guide":
        key = stream(jax.random.key(10 * run.seed), "random guide")
        return random_guide(problem, run.learning.hidden, run.learning.discount, key=key)
    if run.method not in NEEDS_GUIDE:
        return None
    assert knowledge.guide is not None  # `check` has seen to it
    guide = load_guide(knowledge.guide, problem, limit=run.limit)
    check_foresight(run.learning, guide.discount, source=str(knowledge.guide))
    return guide


def _source_data(
    run: StudentRun, knowledge: Knowledge, problem: TransferProblem
) -> SourceData | None:
    if not run.source_data:
        return None
    assert knowledge.guide is not None  # `check` has seen to it
    shapes = parts(problem.target)
    _, steps = load_steps(
        knowledge.guide,
        problem.view,
        {name: np.zeros(shape, np.float32) for name, shape in shapes.items()},
        actions=action_size(problem.target.actions),
    )
    return steps


def _expert(run: StudentRun, knowledge: Knowledge, problem: TransferProblem) -> Any:
    if run.method not in NEEDS_EXPERT:
        return None
    assert knowledge.expert is not None  # `check` has seen to it
    return load_expert(knowledge.expert, problem)


def _agent(
    run: StudentRun,
    shapes: dict[str, list[int]],
    guide: Guide | None,
    expert: Distribution | None,
    source: SourceData | None,
) -> Any:
    squares = {
        "squared": weight_inside_square,
        "linear": weight_outside_square,
        "none": weight_outside_square,  # of weights that are all 1
    }
    points = {"authors": authors_point, "exact": exact_point}
    constraints = {"stored": stored_actions, "present": present_actions}
    pull = None if guide is None else distillation(run)
    acts = expert if guide is None else guide.distribution
    free = run.tolerance * discounted_limit(run.limit, run.learning.discount, LIMIT_STEPS)
    learner = sac_learner(
        run.learning,
        run.margin * run.limit,
        parts=shapes,
        foresees=None if guide is None else guide.costs,
        distillation=pull,
        weighted_square=squares[run.weighting],
        constrained=constraints[run.constraint],
        charged=Beyond(free) if free else all_of_it,
        source_price=run.source_price,
    )
    weighs = {"ratio_low": 1.0, "ratio_high": 1.0} if run.weighting == "none" else {}
    return sac_agent(
        run.learning,
        learner,
        memory(run.learning, run.steps, split=run.splits),
        # densities are worth their time only where a pull or a weight reads them
        guide=None if pull is None and run.weighting == "none" else acts,
        source=source,
        point=points[run.density],
        **weighs,
    )


def distillation(run: StudentRun) -> Distillation | None:
    """The pull towards the guide: the ablations replace its strength."""
    named = {
        "authors": authors_distillation(),
        "paper": paper_distillation(),
        "none": None,
    }[run.distillation]
    strengths = {"fixreg": FixedStrength, "decreg": DecayingStrength}
    if run.method not in strengths:
        return named
    if named is None:
        raise HandrailError(f"method {run.method!r} distils: distillation cannot be 'none'")
    strength = strengths[run.method](run.strength)
    return dataclasses.replace(named, strength=strength)


def _intervention(
    run: StudentRun, guide: Guide | None, expert: Distribution | None
) -> Intervention:
    key = stream(jax.random.key(10 * run.seed), "excursions")
    return with_excursions(_switch(run, guide, expert), run.excursions, key=key)


def _switch(run: StudentRun, guide: Guide | None, expert: Distribution | None) -> Intervention:
    if run.method in ("sac", "sac-pre", "stusam"):
        return none()
    if run.method == "egpo":
        assert expert is not None
        return control_switch(Policy(Sampled(expert)))
    assert guide is not None
    if run.method == "guisam":
        return Intervention(Always(), guide.policy)
    if run.method == "linear-decay":
        return linear_decay(guide.policy)
    if run.method == "budget-switch":
        limit = discounted_limit(run.limit, guide.discount, LIMIT_STEPS)
        return budget_switch(
            guide.policy, guide.cost, threshold=run.threshold * limit, limit=run.limit
        )
    return control_switch(guide.policy)


def run_student(
    run: StudentRun,
    knowledge: Knowledge,
    folder: Path,
    *,
    settings: dict[str, Any],
    report: Callable[[int, int], None] = lambda step, total: None,
) -> dict[str, Any]:
    """Trains in `folder` (resumably) and returns the summary.

    After every epoch `evaluations.csv` gains a row: what the behaviour policy, interventions
    included, earned and cost in the episodes that ended in the epoch, and how the student's own
    policy, sampled and without a guide, does in a test. That policy is kept at the end.
    """
    run = checked(run)
    loop = build(run, knowledge)
    testing = navigation_problem(run.environment).target  # a test leaves the training's alone

    def watch(step: int, state: RunState) -> None:
        if step % run.epoch:
            return
        key = stream(state.key, "test", step)
        policy = OnVectors(state.agent.learner.parameters.actor)
        test = try_policy(testing, policy, episodes=run.test_episodes, key=key)
        target = {f"target_{name}": value for name, value in tested(test).items()}
        record(
            folder,
            STUDENT_COLUMNS,
            {"step": step, **behaviour(in_epoch(folder, step, run.epoch)), **target},
        )

    def summarise(state: RunState) -> dict[str, Any]:
        save(folder / POLICY, _card(run, loop), state.agent.learner.parameters.actor)
        curves = Curves.of(read_table(folder / EVALUATIONS))
        return {
            "total_cost": float(state.progress.cost),
            "limit": run.limit,
            **summary(curves, run.limit),
        }

    return execute(
        loop,
        folder,
        settings,
        seed=10 * run.seed,
        summarise=summarise,
        watch=watch,
        chunk_steps=chunk_steps(run.epoch, run.learning.block),
        report=lambda step, metrics: report(step, run.steps),
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )


def _card(run: StudentRun, loop: AnyLoop) -> Card:
    return Card(
        kind="policy",
        spec={
            "parts": parts(loop.environment),
            "actions": action_size(loop.environment.actions),
            "limit": run.limit,
        },
        network={"hidden": list(run.learning.hidden), "inputs": run.learning.inputs},
        training={"task": run.environment, "settings": dataclasses.asdict(run)},
    )
