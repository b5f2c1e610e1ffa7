"""A student in a target of one's own, with a guide where it is dangerous."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from handrail.artifact import part_shapes, save
from handrail.envs.base import action_size
from handrail.envs.host_costs import CostFn
from handrail.equations.distillation import authors_distillation
from handrail.equations.importance import exact_point
from handrail.errors import HandrailError, UnknownName
from handrail.experiments.navigation.agents import (
    check_foresight,
    memory,
    sac_agent,
    sac_learner,
)
from handrail.experiments.navigation.evaluations import (
    EVALUATIONS,
    STUDENT_COLUMNS,
    record,
)
from handrail.experiments.navigation.guarded import doubts
from handrail.experiments.navigation.presets import (
    SOURCE_PRICE,
    recommended_excursions,
    recommended_margin,
    recommended_student,
)
from handrail.experiments.navigation.settings import (
    SacSettings,
    check_part_of_limit,
    check_schedule,
    check_share,
)
from handrail.experiments.navigation.source_data import load_steps
from handrail.interventions.recipes import none, with_excursions
from handrail.learners.constraint import present_actions
from handrail.learners.sac_agent import SacAgent
from handrail.learners.sac_networks import OnVectors
from handrail.learners.source_data import SourceData
from handrail.own.environments import (
    Environment,
    Host,
    build_host,
    closes_environments,
    episode_limit,
    episode_steps,
    named,
)
from handrail.own.guide import (
    RECIPES,
    Interface,
    LoadedGuide,
    intervention_of,
    load_fitting,
)
from handrail.own.sac import Report, card_of, needs_box, run_epochs
from handrail.own.several_costs import behaviour_costs, cost_columns, tested_costs
from handrail.records import read_table
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.evaluate_copies import run_episodes
from handrail.train.evaluate_host import sampled
from handrail.train.host import HostLoop

POLICY = "policy.safetensors"
METHODS = (*RECIPES, "sac")
LOG = logging.getLogger(__name__)


@closes_environments
def train_student(
    target: Environment,
    guide: Path | str | None,
    folder: Path | str,
    *,
    method: str = "control-switch",
    view: Callable[[Any], Any] | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    limit: float | None = None,
    parts: Sequence[str] | None = None,
    threshold: float | None = None,
    margin: float | None = None,
    excursions: float | None = None,
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
    What speaks against the guide as a guard (`handrail.try_guide`) is logged, and in the summary.
    Differs from the paper: one replay for both actors, since a guide that seldom acts would leave
    a split one waiting; no importance weights; the multiplier looks at what the student would do
    now, and aims below the limit; under budget-switch the guide makes excursions.

    Args:
        target: id of the environment, or a function that builds it, or several of it side by
            side (a Gymnasium vector environment).
        guide: its file; None for the method `sac`.
        folder: of the run; it must be empty or hold this very run.
        method: `control-switch`, `linear-decay`, `budget-switch`, or `sac` without a guide.
        view: the guide's parts of the target's observation; by default those of the same names.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        limit: expected undiscounted cost of an episode; at least the guide's.
        threshold: of budget-switch, in multiples of the limit on the critic's scale; by default
            the cost of two steps, at which the guide was tried as a guard.
        margin: the limit that the student's multiplier aims at, as a share of `limit`; by default
            0.5, under linear-decay 1 (docs/results-sagui.md).
        excursions: share of the steps, 0 to 1, that the guide drives unasked, in spells of 50, so
            that the student sees more of the task; by default 0.1 under budget-switch, else 0.
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
            floor of the student's (docs/results-sagui.md).
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = Path(folder)
    if learning is None:
        learning = SacSettings() if guide is None else recommended_student(SacSettings(), rate=1.0)
    check_schedule(steps, epoch, learning)
    host, trial = (
        build_host(target, cost=cost, limits=limits, parts=parts, episode_length=episode_length)
        for _ in range(2)
    )
    needs_box(host)
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    loaded = _loaded(host, guide, method, view, allowed)
    if excursions is None:
        excursions = recommended_excursions(method)
    if margin is None:
        margin = recommended_margin(method, split=False)
    check_part_of_limit("margin", margin)
    check_share("excursions", excursions)
    if excursions and loaded is None:
        raise HandrailError(
            f"excursions is {excursions}, but there is no guide to make them: leave it out"
        )
    if loaded is None:
        intervention, asked = none(), None
    else:
        intervention = intervention_of(loaded, method, limit=allowed, threshold=threshold)
        key = stream(jax.random.key(10 * seed), "excursions")
        intervention = with_excursions(intervention, excursions, key=key)
        asked = loaded.guide
        check_foresight(learning, asked.discount, source=str(guide))
    doubted = [] if loaded is None else doubts(loaded.card, allowed)
    for doubt in doubted:
        LOG.warning("%s: %s", guide, doubt)
    source, kept = _source_data(host, guide, loaded, source_data)
    pulled = distil and asked is not None
    agent: SacAgent = sac_agent(
        learning,
        sac_learner(
            learning,
            margin * allowed,
            longest,
            constraints=tuple(host.limits.items()),
            foresees=None if asked is None else asked.costs,
            distillation=authors_distillation() if pulled else None,
            constrained=present_actions,
            source_price=source_price,
        ),
        memory(learning, steps, split=False),
        guide=asked.distribution if pulled else None,
        source=source,
        point=exact_point,
        ratio_low=1.0,
        ratio_high=1.0,
    )
    settings = {
        "purpose": "own student", "environment": host.name, "method": method,
        "guide": None if loaded is None else loaded.card.checksum,
        "cost": named(cost), "limit": allowed, "limits": None if limits is None else dict(limits),
        "view": named(view), "parts": part_shapes(host.observation_zeros()),
        "threshold": threshold, "margin": margin, "excursions": excursions, "distil": distil,
        "source_data": kept, "source_price": source_price, "episode_length": longest,
        "steps": steps, "epoch": epoch, "evaluation_episodes": evaluation_episodes, "seed": seed,
        "learning": dataclasses.asdict(learning),
    }  # fmt: skip

    each = [cost_columns(what, host.limits) for what in ("behaviour_", "target_")]
    columns = (*STUDENT_COLUMNS, *each[0], *each[1])

    def watch(step: int, state: RunState) -> None:
        if step % epoch:
            return
        policy = OnVectors(state.agent.learner.parameters.actor)
        test = run_episodes(
            trial, sampled(policy), episodes=evaluation_episodes, longest=longest,
            key=stream(state.key, "test", step),
        )  # fmt: skip
        costs = tested_costs(test, host.limits)
        target = {f"target_{name}": value for name, value in costs.items()}
        row = {"step": step, **behaviour_costs(folder, step, epoch, host.limits), **target}
        record(folder, columns, row)

    def summarise(state: RunState) -> dict[str, Any]:
        actor = state.agent.learner.parameters.actor
        save(folder / POLICY, card_of("policy", host, settings, learning, None), actor)
        last = {
            name: float(column[-1]) for name, column in read_table(folder / EVALUATIONS).items()
        }
        return {"limit": allowed, "last_epoch": last, "guide_doubts": doubted}

    return run_epochs(
        HostLoop(host, agent, intervention, steps), folder, settings, watch=watch,
        summarise=summarise, epoch=epoch, seed=10 * seed, report=report,
    )  # fmt: skip


def _source_data(
    host: Host, guide: Path | str | None, loaded: LoadedGuide | None, wanted: bool
) -> tuple[SourceData | None, str | None]:
    """The steps beside the guide's file and their checksum, if they are wanted."""
    if not wanted:
        return None, None
    if loaded is None:
        raise HandrailError(
            "source_data is true, but there is no guide beside which steps are kept: leave it out"
        )
    if host.limits:
        raise HandrailError(
            "source_data is true, but the environment has several costs, and steps are kept of "
            "one: leave it out"
        )
    card, steps = load_steps(
        Path(str(guide)), loaded.guide.view, host.observation_zeros(),
        actions=action_size(host.actions),
    )  # fmt: skip
    return steps, card.checksum


def _loaded(
    host: Host, guide: Path | str | None, method: str, view: Any, limit: float
) -> LoadedGuide | None:
    """The guide, found to fit the environment and the limit."""
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if (guide is None) != (method == "sac"):
        raise HandrailError(
            "method 'sac' has no guide: give None for it"
            if guide is not None
            else f"method {method!r} needs the file of a guide"
        )
    if guide is None:
        return None
    loaded = load_fitting(Path(guide), Interface.of_host(host), view=view)
    fitting = loaded.under(host.limits, source=str(guide))
    loaded = dataclasses.replace(loaded, guide=fitting)
    if loaded.limit > limit:
        raise HandrailError(
            f"{guide}: the guide was trained for a cost limit of {loaded.limit:g} an episode, but "
            f"the student's is {limit:g}; train a guide for at most that, or raise limit"
        )
    return loaded
