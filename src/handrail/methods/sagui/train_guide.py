"""Guides are learnt in the source without the task's reward, and kept by evaluation."""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.core.arguments import checked
from handrail.core.artifact import Card, load, part_shapes, save
from handrail.core.errors import HandrailError
from handrail.core.recorded import stable
from handrail.core.records import BEST
from handrail.core.rng import stream
from handrail.envs.transfer import SameView
from handrail.interventions.base import Intervention
from handrail.interventions.disturbed import TowardsCost, disturbed
from handrail.interventions.recipes import none, wandering
from handrail.interventions.substitutes import RepeatedRandomAction
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.intrinsic import (
    AbstractIntrinsic,
    NeighbourEntropy,
    NoIntrinsic,
    RandomNetwork,
)
from handrail.learners.sac.networks import OnVectors
from handrail.methods.sagui.agents import memory, sac_agent, sac_learner
from handrail.methods.sagui.cards import Limits, Networks
from handrail.methods.sagui.epochs import Report, publish, run_by_epochs
from handrail.methods.sagui.evaluations import (
    KNOWLEDGE_COLUMNS,
    best,
    best_shield,
    cost_columns,
    reached,
    record,
    tested,
    try_policy,
    unsafe_share,
)
from handrail.methods.sagui.guide import Guide, GuideNetworks
from handrail.methods.sagui.guide_file import GUIDE, open_guide, write_guide
from handrail.methods.sagui.offline_batch import beside, save_steps
from handrail.methods.sagui.outside_guide import OutsideGuide
from handrail.methods.sagui.presets import TAKEOVER_STEPS
from handrail.methods.sagui.problem import Source
from handrail.methods.sagui.schedule import Block, check_patience, check_schedule
from handrail.methods.sagui.settings import GuideSettings, RobustSettings
from handrail.methods.sagui.shield import REPEAT, STEPS, proposed, shield_columns, takeover_table
from handrail.replay.frames import FrameRingState
from handrail.replay.ring import RingState
from handrail.train.compiled import RunState
from handrail.train.course import Course, coursed
from handrail.train.loops import AnyLoop, make_loop

LOG = logging.getLogger(__name__)
# Parts that a robot varies by shaking on the spot; the learner's own bonuses leave them out.
SHAKEN = ("accelerometer", "ballangvel_rear", "gyro")
OWN_BONUSES = ("entropy", "random-network")
"""Rewards of a source that the learner pays itself."""
SELECTIONS = {"return": best, "shield": best_shield}  # the evaluation whose guide is kept


def guide_loop(source: Source, settings: GuideSettings) -> AnyLoop:
    """The training of a guide in the source. Raises `HandrailError` for unfit settings."""
    checked(settings)
    check_schedule(settings.steps, settings.epoch, Block.of(settings.learning))
    check_patience(settings)
    limits = source.interface.limits
    if settings.keep and limits:
        raise HandrailError(f"keep is {settings.keep}: expected 0 where there are several costs")
    learner = sac_learner(
        settings.learning,
        settings.limit,
        source.interface.limit_steps,
        where=source.interface,
        parts=source.scaled_parts,
        entropy=FixedEntropy(settings.entropy_weight),
        intrinsic=_intrinsic(settings, source),
        action_repeat_prob=settings.action_repeat_prob,
        constraints=tuple(limits.items()),
    )
    agent = sac_agent(
        settings.learning,
        learner,
        memory(
            settings.learning,
            settings.longest,
            source.interface,
            split=False,
            width=getattr(source.training, "copies", 1),
        ),
        uniform_steps=settings.uniform_steps,
    )
    seed = 10 * settings.seed + 1
    driver = random_driver(settings.random_action_share, seed=seed)
    driver = in_robust_world(driver, settings.robust, seed=seed)
    return make_loop(source.training, agent, driver, settings.longest, delayed=source.delayed)


def random_driver(share: float, *, seed: int) -> Intervention:
    """What drives a share of a guide's training: random actions, held."""
    if not share:
        return none()
    return wandering(share, REPEAT, key=stream(jax.random.key(seed), "wander"))


def in_robust_world(driver: Intervention, robust: RobustSettings, *, seed: int) -> Intervention:
    """What drives a guide's training in a world that disturbs actions, if it is to.

    Raises `HandrailError` for an adversary without a share of the action.
    """
    if not robust.disturbance:
        if robust.disturbed_by != "random":
            raise HandrailError(
                f"robust.disturbed_by is {robust.disturbed_by!r}, but robust.disturbance is 0: set "
                "it to the disturbance's share of an action, such as 0.2"
            )
        return driver
    key = stream(jax.random.key(seed), "disturbance")
    what = {"random": RepeatedRandomAction(REPEAT, key), "adversary": TowardsCost()}
    return disturbed(driver, what[robust.disturbed_by], robust.disturbance)


def _intrinsic(settings: GuideSettings, source: Source) -> AbstractIntrinsic:
    """What the guide pays itself: nothing, or for observations unlike what it has seen."""
    if settings.bonus not in OWN_BONUSES:
        return NoIntrinsic()
    shapes = part_shapes(source.interface.observation)
    parts = tuple(name for name in shapes if name not in SHAKEN)
    if settings.bonus == "entropy":
        return NeighbourEntropy(parts)
    numbers = sum(math.prod(shapes[name]) for name in parts)
    key = stream(jax.random.key(settings.seed), "random network")
    return RandomNetwork.of(numbers, parts, key=key)


@coursed
def train_guide(
    source: Source,
    settings: GuideSettings,
    folder: Path,
    *,
    recorded: dict[str, Any],
    report: Report = lambda step, total: None,
) -> Course[Path]:
    """Trains a guide inside `folder` and returns its file; a finished one is not repeated.

    Every epoch the policy is evaluated over whole episodes of the source, and tried as a shield
    (`shield.evaluate_shield`). A safe one is kept (`settings.selection`), since multiplier and
    policy oscillate and the last iterate may not be safe. Where `settings.patience` allows it,
    training goes on until that one passes (`settings.passes`); if none does, a warning says so.
    `exit_cost` in `evaluations.csv` is the cost of an episode of the training's length that begins
    in harm. `recorded` is what the run is known by.
    """
    settings = checked(settings)
    loop, path = guide_loop(source, settings), folder / GUIDE
    trial = _Trial(source, settings)
    limits = source.interface.limits
    columns = trial.columns

    def watch(step: int, state: RunState) -> None:
        learner = state.agent.learner
        networks = GuideNetworks(learner.parameters.actor, learner.parameters.critics)
        assert isinstance(state.agent.replay, RingState | FrameRingState)  # see `guide_loop`
        takeover_cost = trial.takeover_cost(np.asarray(state.agent.replay.items.cost))
        if not takeover_cost:
            LOG.warning(
                "%s: nothing has cost anything in %s steps of the source, so there is nothing to "
                "learn about danger: look at the cost function, or let episodes begin in danger "
                "(rescue starts)", source.interface.name, f"{step:,}",
            )  # fmt: skip
        row = {"step": step, **trial(networks, takeover_cost, step, state.key)}
        table = record(folder, columns, row)
        built = Networks.of(settings.learning, source.interface)
        if SELECTIONS[settings.selection](table, settings.limit) == len(table["step"]) - 1:
            write_guide(
                folder / BEST, networks, source.interface, built,
                Limits(settings.limit, source.interface.limit_steps, limits),
                discount=settings.learning.discount,
                takeover_cost=takeover_cost,
                training={
                    "task": source.interface.name,
                    "evaluation": row,
                    "settings": stable(settings),
                },
            )  # fmt: skip

    def enough(step: int) -> bool:
        if step < settings.steps:
            return False
        # not the file of the best one, which may be of a later step that an interruption undid
        table = reached(folder, columns, step)
        kept = SELECTIONS[settings.selection](table, settings.limit)
        return settings.passes({name: float(values[kept]) for name, values in table.items()})

    def summarise(state: RunState) -> dict[str, Any]:
        if settings.keep:
            assert isinstance(loop.agent, SacAgent)  # see `guide_loop`
            save_steps(
                beside(path), loop.agent, state.agent,
                source=source.interface.name, count=settings.keep,
                key=stream(state.key, "kept steps"),
            )  # fmt: skip
        card, arrays = load(folder / BEST, expect="guide")
        card = trial.with_takeover(folder / BEST, card, state.key)
        save(path, card, arrays)
        return {"best": card.training["evaluation"]}

    yield from run_by_epochs.course(
        loop, folder, recorded, settings,
        seed=10 * settings.seed + 1, watch=watch, enough=enough, summarise=summarise,
        report=report,
    )  # fmt: skip
    if not path.exists():  # it was deleted, or the run was finished by an older version
        publish(folder, path, "guide")
    if settings.patience > 1:
        row = load(path, expect="guide")[0].training["evaluation"]
        if not settings.passes(row):
            LOG.warning("%s", _failed(source, settings, row))
    return path


def _failed(source: Source, settings: GuideSettings, row: Mapping[str, float]) -> str:
    """What is said of a guide that does not pass in all the steps that it may have."""
    return (
        f"{source.interface.name}: no guide passed in {settings.longest:,} steps; the one that is "
        f"kept costs {row['cost']:.3g} alone (limit {settings.limit:g}) and "
        f"{row['shielded_cost']:.3g} in its shield test (limit {settings.accepted:g}), where at "
        f"most {row['shielded_above_at_most']:.0%} of episodes cost more than {settings.limit:g} "
        "(95 %): expect costs, "
        "let it train longer (patience, steps), or take another seed"
    )


class _Trial:
    """The evaluation of a guide after an epoch: alone, from harm, and as a shield."""

    def __init__(self, source: Source, settings: GuideSettings):
        self._source, self._settings = source, settings
        limits = source.interface.limits
        exits = () if source.exits is None else ("exit_cost",)
        self.columns = (
            *KNOWLEDGE_COLUMNS, *cost_columns("", limits), *exits, *shield_columns(limits)
        )  # fmt: skip

    def takeover_cost(self, costs: np.ndarray) -> float:
        """The discounted cost of two steps of harm, of which these are the costs in the replay."""
        if self._source.harm is not None:
            return TAKEOVER_STEPS * self._source.harm
        return takeover_cost(costs)

    def __call__(
        self, networks: GuideNetworks, takeover_cost: float, step: int, key: Key[Array, ""]
    ) -> dict[str, float]:
        """What `evaluations.csv` says of the guide, without the step."""
        source, settings = self._source, self._settings
        limits, policy = source.interface.limits, OnVectors(networks.actor)
        own = stream(key, "evaluation", step)

        def tried(environment: Any, name: str):
            # where there are two evaluations, each has a stream of its own
            drawn = own if source.exits is None else stream(own, name)
            return try_policy(
                environment, policy, episodes=settings.evaluation_episodes,
                longest=source.longest, key=drawn,
            )  # fmt: skip

        alone = tried(source.evaluation, "clean")
        row = {**tested(alone, limits), "unsafe_episodes": unsafe_share(alone)}
        if source.exits is not None:
            row["exit_cost"] = tested(tried(source.exits, "rescue"))["cost"]
        guide = Guide(networks, SameView(), settings.learning.discount)
        return row | self._shielded(guide, (takeover_cost,), key)[0]

    def with_takeover(self, path: Path, card: Card, key: Key[Array, ""]) -> Card:
        """The card of the guide that is kept in `path`, with the predicted cost from which on it
        should take over: as it was tested, or what `shield.proposed` proposes.
        """
        evaluation, shares = card.training["evaluation"], self._source.takeover_shares
        cost, limit = evaluation["takeover_cost"], self._settings.accepted
        if not (shares and cost > 0 and evaluation["shielded_cost"] > limit):
            return card
        guide = open_guide(path, self._source.interface).guide
        columns = shield_columns(self._source.interface.limits)
        first = {name: evaluation[name] for name in columns if name in evaluation}
        rows = [first, *self._shielded(guide, [share * cost for share in shares], key)]
        chosen = proposed(rows, limit)
        spec = {**card.spec, "takeover_cost": chosen["takeover_cost"]}
        tested = {**card.training, "evaluation": {**evaluation, **chosen}, "takeovers": rows}
        return dataclasses.replace(card, spec=spec, training=tested)

    def _shielded(
        self, guide: Guide | OutsideGuide, takeover_costs: Sequence[float], key: Key[Array, ""]
    ) -> list[dict[str, float]]:
        """The shield test at each of these predicted costs. Episodes and random actions are the
        same every time: fewer are needed to compare.
        """
        source = self._source
        return takeover_table(
            source.shield_test, guide, takeover_costs,
            limit=self._settings.limit, limits=source.interface.limits,
            per_steps=source.interface.limit_steps, episodes=self._settings.shield_episodes,
            longest=STEPS if source.longest is None else min(STEPS, source.longest),
            key=stream(key, "guarded"),
        )  # fmt: skip


def takeover_cost(costs: np.ndarray) -> float:
    """The discounted cost at which a guide takes over: two steps that cost what one costs on
    average where any does, in these steps of its training.
    """
    harmful = costs[costs > 0]
    return TAKEOVER_STEPS * float(np.mean(harmful, dtype=np.float64)) if harmful.size else 0.0
