"""A safe guide, learnt in a source of one's own, and tried as a shield."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from handrail.api.bonus import BonusFn, with_bonus
from handrail.api.environments import (
    Environment,
    build_host,
    built_twice,
    closes_environments,
    episode_limit,
    episode_steps,
    interface_of,
    needs_box,
    prompt_loop,
)
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
from handrail.envs.gymnasium.costs import CostFn
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.problem import Source
from handrail.methods.sagui.settings import GuideSettings, SacSettings
from handrail.methods.sagui.shield import STEPS, evaluate_shield, shield_row
from handrail.methods.sagui.train_guide import train_guide as train

Report = Callable[[int, int], None]
LEARNING = SacSettings(multiplier_rate=10.0, damping=0.0, cost_floor="zero")
SELECTIONS: dict[str, Any] = {
    "bonus": "farthest",
    "guard": "guard",
}  # how this module calls the settings' values


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
    evaluation_episodes: int = 10,
    guard_episodes: int = 20,
    chosen: str = "guard",
    entropy_weight: float = 1.0,
    uniform_steps: int = 500,
    wander: float = 0.25,
    keep: int = 0,
    learning: SacSettings | None = None,
    seed: int = 0,
    report: Report = lambda step, total: None,
) -> Path:
    """Trains a safe guide without the task's reward; returns its file, `guide.safetensors`.

    Every epoch the sampled policy is evaluated over whole episodes, and tried as a shield: what do
    random actions cost if it takes over where it predicts the cost of two steps of harm
    (`handrail.try_guide`)? Of those within the limit the best shield is kept, or the one with the
    highest bonus; if there is none, the one of the lowest cost. A run that was interrupted goes on
    from its last checkpoint when called again; a finished one is not repeated.

    Args:
        source: id of the environment to learn in, or a function that builds it, or several of
            it side by side (a Gymnasium vector environment).
        folder: of the run; it must be empty or hold this very run.
        bonus: what is rewarded: a function (obs, action, next_obs), the part of the
            observation whose displacement counts, or None for a policy that is random within
            the limit.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        limit: expected undiscounted cost of an episode; well below the student's.
        episode_length: the time limit in steps, if the environment does not say.
        steps: environment steps, those of all side by side; a multiple of `epoch`.
        epoch: steps between two evaluations.
        evaluation_episodes: whole episodes of each.
        guard_episodes: of up to 400 steps each, in which it is tried as a shield; the same ones
            every time.
        chosen: what is kept, the best "guard" or the one with the highest "bonus".
        entropy_weight: α, fixed.
        uniform_steps: of uniformly random actions at the beginning.
        wander: share of the steps that are driven by random actions, each held for 30 steps, so
            that the guide's cost critic can judge actions that are not its own.
        keep: steps that are kept beside the guide, for students with `source_data`.
        learning: the learner; by default one whose cost critic is never negative, with a
            slower, undamped multiplier.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = folder_of(folder)
    wanted = choice("chosen", chosen, SELECTIONS)
    settings = GuideSettings(
        seed=seed_number(seed), steps=steps, epoch=epoch,
        evaluation_episodes=evaluation_episodes, guard_episodes=guard_episodes, wander=wander,
        entropy_weight=entropy_weight, uniform_steps=uniform_steps, chosen=SELECTIONS[wanted],
        keep=keep, learning=settings_of("learning", learning, LEARNING),
    )  # fmt: skip
    settings = checked(settings)
    host, trial = built_twice(
        source, cost=cost, limits=limits, parts=parts, episode_length=episode_length
    )
    needs_box(host)
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    settings = checked(
        dataclasses.replace(settings, environment=host.name, limit=allowed, episode_length=longest)
    )
    where = Source(
        interface=interface_of(host, longest),
        training=with_bonus(host, bonus),
        evaluation=with_bonus(trial, bonus),
        shield_test=trial,
        longest=longest,
        make_loop=prompt_loop,
    )
    recorded = {
        "purpose": "own guide", "run": stable(settings), "needs": {},
        PASSED: passed_in(host, source, cost=cost, bonus=bonus, parts=parts, limits=limits),
    }  # fmt: skip
    return train(where, settings, folder, recorded=recorded, report=report)


@closes_environments
def try_guide(
    environment: Environment,
    guide: Path | str,
    *,
    view: Callable[[Any], Any] | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    foreseen: float | None = None,
    episode_length: int | None = None,
    episodes: int = 100,
    seed: int = 0,
) -> dict[str, float]:
    """What a guide is worth as a shield, before a student depends on it.

    Random actions, each held for 30 steps, drive for up to 400 steps an episode; the guide takes
    over where it predicts too much cost. So it is tried whether the guide knows which action is
    too much, and whether it can avert what was about to happen. It asks for more than students do,
    who learn. In the navigation tasks no student of a guide that costs less than its student's
    limit broke that, and of the others one in five did (docs/results-sagui.md). Try it in a
    simulator of the target: what goes wrong goes wrong there.

    Args:
        environment: id of the environment, or a function that builds it, or several of it side
            by side (a Gymnasium vector environment).
        guide: its file.
        view: the guide's parts of the observation; by default those of the same names.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        foreseen: the discounted cost that is too much; by default what the guide was trained to
            be tried at: two steps' cost.
        episode_length: the time limit in steps, if the environment does not say.
        episodes: to drive; a rare cost needs hundreds.
        seed: of everything.

    Returns:
        `guarded_cost`, undiscounted, per episode of `episode_length` steps (of several costs the
        one nearest to its limit, on the scale of the smallest limit, and each by its name),
        `guarded_share` of the steps that were the guide's, and `foreseen`.
    """
    episodes = whole("episodes", episodes, least=1)
    foreseen = None if foreseen is None else number("foreseen", foreseen)
    guide = folder_of(guide, "guide")
    host = build_host(
        environment, cost=cost, limits=limits, parts=parts, episode_length=episode_length
    )
    needs_box(host)
    longest = episode_steps(host, episode_length)
    file = open_guide(guide, interface_of(host, longest), view=view)
    predicted = file.takeover_cost if foreseen is None else foreseen
    if predicted is None:
        raise HandrailError(
            f"{guide}: the card does not say which predicted cost is too much: give foreseen, "
            "such as two steps' cost"
        )
    done = evaluate_shield(
        host, file.guide, threshold=predicted, episodes=episodes, longest=min(STEPS, longest),
        key=jax.random.key(seed_number(seed)),
    )  # fmt: skip
    return shield_row(done, predicted, limits=host.limits, per_steps=longest)
