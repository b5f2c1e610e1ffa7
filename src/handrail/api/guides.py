"""A safe guide, learnt in a source of one's own, and tried as a shield."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from handrail.api.reporting import leaves_report
from handrail.core import renamed
from handrail.core.arguments import (
    checked,
    choice,
    folder_of,
    number,
    seed_number,
    settings_of,
    whole,
)
from handrail.core.errors import HandrailError
from handrail.core.identity import passed_in
from handrail.core.recorded import PASSED, stable
from handrail.envs.gymnasium.bonus import BonusFn
from handrail.envs.gymnasium.building import (
    Environment,
    build_host,
    built_twice,
    closes_environments,
    episode_limit,
    episode_steps,
    needs_box,
    shortened,
)
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.unsafe_starts import START, UnsafeStart, share_of_starts
from handrail.interventions.base import AbstractTrigger
from handrail.knowledge.catalog import located_guide
from handrail.methods.sagui.cards import harm_of
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.outside_guide import PolicyGuide
from handrail.methods.sagui.own_problems import source_in
from handrail.methods.sagui.presets import OWN_GUIDE
from handrail.methods.sagui.problem import counted_limit, interface_of
from handrail.methods.sagui.settings import GuideSettings, RobustSettings, SacSettings
from handrail.methods.sagui.shield import STEPS, proposed, takeover_table
from handrail.methods.sagui.table import METHODS, RECIPES
from handrail.methods.sagui.takeover import Takeover, check_scale
from handrail.methods.sagui.takeover_settings import PLAIN, TakeoverSettings
from handrail.methods.sagui.train_guide import SELECTIONS
from handrail.methods.sagui.train_guide import train_guide as train
from handrail.methods.sagui.unread import refuse_physics, refuse_unread

Report = Callable[[int, int], None]
TRIED = tuple(name for name in RECIPES if METHODS[name].when is not None)
"""Methods whose takeover the shield test can try: it compares a prediction."""
OLD_VALUES = {"selection": {"bonus": "return", "guard": "shield"}}


@renamed.takes_old_names(renamed.SETTINGS["GuideSettings"], OLD_VALUES)
@leaves_report
@closes_environments
def train_guide(
    source: Environment,
    folder: Path | str,
    *,
    bonus: BonusFn | str | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    limit: float | None = None,
    parts: Sequence[str] | None = None,
    episode_length: int | None = None,
    steps: int = 100_000,
    epoch: int = 10_000,
    patience: int = 1,
    shield_limit: float | None = None,
    evaluation_episodes: int = 10,
    shield_episodes: int = 20,
    selection: str = "shield",
    entropy_weight: float = 1.0,
    uniform_steps: int = 500,
    random_action_share: float = 0.25,
    rescue_share: float = 0.0,
    unsafe_start: UnsafeStart = START,
    keep: int = 0,
    robust: RobustSettings | Mapping[str, Any] | None = None,
    learning: SacSettings | Mapping[str, Any] | None = None,
    seed: int = 0,
    report: Report = lambda step, total: None,
) -> Path:
    """Trains a safe guide without the task's reward; returns its file, `guide.safetensors`.

    Every epoch the sampled policy is evaluated over whole episodes, and tried as a shield: what do
    random actions cost if it takes over where it predicts the cost of two steps of harm
    (`handrail.try_guide`)? Of those within the limit the best shield is kept, or the one with the
    highest bonus; if there is none, the one of the lowest cost. If that one fails its test it is
    tried to take over earlier, at a half to a twentieth of two steps' cost, and its file says where
    it should: the latest at which it keeps the limit, or that of the lowest cost. A run that was
    interrupted goes on from its last checkpoint when called again; a finished one is not repeated.

    Args:
        source: id of the environment to learn in, or a function that builds it, or several of
            it side by side (a Gymnasium vector environment),
            or a compiled environment.
        folder: of the run; it must be empty or hold this very run.
        bonus: what is rewarded: a function (obs, action, next_obs), the part of the
            observation whose displacement counts, or None for a policy that is random within
            the limit.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        limit: expected undiscounted cost of an episode; well below the student's.
        episode_length: the time limit in steps, if the environment does not say.
        steps: environment steps, those of all side by side; a multiple of `epoch`.
        epoch: steps between two evaluations.
        patience: training goes on up to this multiple of `steps` until the guide that is kept
            passes: alone within its limit, and within `shield_limit` in its shield test. A warning
            says if none did.
        shield_limit: undiscounted, of an episode: the student's limit, say; by default `limit`.
        evaluation_episodes: whole episodes of each.
        shield_episodes: of up to 400 steps each, in which it is tried as a shield; the same ones
            every time.
        selection: what is kept, the best "shield", or the one with the highest "return" of bonus.
        entropy_weight: α, fixed.
        uniform_steps: of uniformly random actions at the beginning.
        random_action_share: share of the steps with random actions, each repeated for 30 steps,
            so that the guide's cost critic can judge actions that are not its own.
        rescue_share: share of the training's episodes that begin in danger, so that the guide
            learns to get out of it.
        unsafe_start: the options of `reset` for such an episode, by default
            `{"start": "unsafe"}`, or a function of a seed that gives them.
        keep: steps that are kept beside the guide, for students with `source_data`.
        robust: disturbances of the actions while it learns, such as `{"disturbance": 0.2,
            "disturbed_by": "adversary"}`; none by default. Physics are yours to vary, in `reset`.
        learning: the learner; by default one whose cost critic is never negative, with a
            slower, undamped multiplier. A dictionary changes what it names, `SacSettings` all.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = folder_of(folder)
    choice("selection", selection, SELECTIONS)
    rescued = share_of_starts(rescue_share, unsafe_start)
    settings = GuideSettings(
        seed=seed_number(seed), steps=steps, epoch=epoch, patience=patience,
        shield_limit=shield_limit,
        evaluation_episodes=evaluation_episodes, shield_episodes=shield_episodes,
        random_action_share=random_action_share, entropy_weight=entropy_weight,
        uniform_steps=uniform_steps, selection=selection,
        keep=keep, learning=settings_of("learning", learning, OWN_GUIDE["learning"]),
        robust=settings_of("robust", robust, RobustSettings()),
    )  # fmt: skip
    settings = checked(settings)
    refuse_physics(settings.robust)
    host, trial = built_twice(
        source, cost=cost, limits=limits, parts=parts, episode_length=episode_length,
        warn_of_scales=not settings.learning.normalise_observations,
    )  # fmt: skip
    needs_box(host)
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    settings = checked(
        dataclasses.replace(settings, environment=host.name, limit=allowed, episode_length=longest)
    )
    where = source_in(
        host, trial, longest, bonus=bonus, rescue_share=rescued, unsafe_start=unsafe_start
    )
    start = {"unsafe_start": unsafe_start} if rescued else {}
    recorded = {
        "purpose": "own guide", "run": stable(settings), "needs": {},
        **({"rescue_share": rescued} if rescued else {}),
        PASSED: passed_in(
            host, source, cost=cost, bonus=bonus, parts=parts, limits=limits, **start
        ),
    }  # fmt: skip
    return train(where, settings, folder, recorded=recorded, report=report)


@renamed.takes_old_names({"foreseen": "takeover_cost"})
@closes_environments
def try_guide(
    environment: Environment,
    guide: Path | str | PolicyGuide,
    *,
    view: Callable[[Any], Any] | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    recipe: str = "budget-switch",
    takeover_cost: float | Sequence[float] | None = None,
    takeover: TakeoverSettings | Mapping[str, Any] | None = None,
    limit: float | None = None,
    episode_length: int | None = None,
    episodes: int = 100,
    seed: int = 0,
) -> dict[str, Any]:
    """What a guide is worth as a shield, before a student depends on it.

    Random actions, each held for 30 steps, drive for up to 400 steps an episode; the guide takes
    over where it predicts too much cost. So it is tried whether the guide knows which action is
    too much, and whether it can avert what was about to happen. It asks for more than students do,
    who learn. In the navigation tasks no student of a guide that costs less than its student's
    limit broke that, and of the others one in five did (docs/results/static.md). Try it in a
    simulator of the target: what goes wrong goes wrong there.

    Args:
        environment: id of the environment, or a function that builds it, or several of it side
            by side (a Gymnasium vector environment), or a compiled environment.
        guide: its file, the name of one that ships, or what `guide_from_policy` returns.
        view: the guide's parts of the observation; by default those of the same names.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        recipe: when it takes over, as of `SafeExploration.with_guide`: `budget-switch` (here by the
            predicted cost alone), `advantage-switch`, or `sum-switch`, which compares with `limit`.
        takeover_cost: the predicted discounted cost that is too much; by default that of the
            guide's file, which is two steps' cost unless the guide failed its own test there. Of
            several, each is tried, and one is proposed.
        takeover: how its critics are read, and for how long it stays, as of `train_student`.
        limit: of an episode; by default the guide's own.
        episode_length: the time limit in steps, if the environment does not say.
        episodes: to drive; a rare cost needs hundreds.
        seed: of everything.

    Returns:
        `shielded_cost`, undiscounted, per episode of `episode_length` steps (of several costs the
        one nearest to its limit, on the scale of the smallest limit, and each by its name),
        `shielded_share` of the steps that were the guide's, `takeover_cost`, the share
        `shielded_above` of episodes that cost more than the limit allows in their steps, and
        `shielded_above_at_most`, its upper bound with 95 % confidence. Of several the
        entries are those of the proposed one: the least share of those that keep the limit, or the
        lowest cost; `takeovers` has a row for each. `train_student` and
        `SafeExploration.with_guide` take it as `takeover_cost`.
    """
    episodes = whole("episodes", episodes, least=1)
    row, how = METHODS[choice("recipe", recipe, TRIED)], settings_of("takeover", takeover, PLAIN)
    several = isinstance(takeover_cost, Sequence)
    given = [takeover_cost] if not isinstance(takeover_cost, Sequence) else takeover_cost
    tried = [None if cost is None else number("takeover_cost", cost) for cost in given]
    if not tried:
        raise HandrailError("takeover_cost is empty: expected predicted costs, such as [2.0, 0.5]")
    found = located_guide(guide)
    host = build_host(
        environment, cost=cost, limits=limits, parts=parts, episode_length=episode_length
    )
    needs_box(host)
    longest = episode_steps(host, episode_length)
    file = open_guide(found, interface_of(host, longest), view=view)
    if row.by_limit:
        refuse_unread(row, {"takeover_cost": tried[0]})
        tried = [file.takeover_cost or 1.0]  # it does not count
    costs = [file.takeover_cost if cost is None else cost for cost in tried]
    for given_cost in tried:
        if given_cost is not None:
            discount, harm = file.guide.discount, harm_of(file.card)
            check_scale(str(Path(found)), "takeover_cost", given_cost, discount, harm)
    if None in costs:
        raise HandrailError(
            f"{Path(found)}: the card does not say which predicted cost is too much: give "
            "takeover_cost, such as two steps' cost"
        )
    allowed = file.allowed(counted_limit(file.interface, limit))

    def when(cost: float) -> AbstractTrigger:
        assert row.when is not None  # see `TRIED`
        return row.when(Takeover(allowed, cost, longest, how), Known(file.guide))

    rows = takeover_table(
        shortened(host, STEPS), file.guide, [cost for cost in costs if cost is not None],
        limit=allowed, limits=host.limits, when=when, per_steps=longest, episodes=episodes,
        longest=min(STEPS, longest), key=jax.random.key(seed_number(seed)),
    )  # fmt: skip
    if row.by_limit:
        return {name: value for name, value in rows[0].items() if name != "takeover_cost"}
    return {**proposed(rows, allowed), "takeovers": rows} if several else rows[0]
