"""What a guide prevents in an environment of one's own: random driving under its guard."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from handrail.envs.host_costs import CostFn
from handrail.errors import HandrailError
from handrail.experiments.navigation.guarded import STEPS, random_driving
from handrail.experiments.navigation.guide import Guide
from handrail.experiments.navigation.presets import FORESEEN
from handrail.own.environments import (
    Environment,
    Host,
    build_host,
    closes_environments,
    episode_steps,
)
from handrail.own.guide import Interface, load_fitting
from handrail.own.sac import needs_box
from handrail.own.several_costs import cost_columns, tested_costs
from handrail.train.evaluate_copies import run_episodes


def guard_columns(limits: Mapping[str, float]) -> tuple[str, ...]:
    """What `guarded` measures."""
    return ("guarded_cost", "guarded_share", "foreseen", *cost_columns("guarded_", limits))


def foreseen_at(costs: Float[np.ndarray, " steps"]) -> float:
    """The discounted cost at which a guide takes over: two steps that cost what one costs on
    average where any does, in these steps of its training.
    """
    harmful = costs[costs > 0]
    return FORESEEN * float(np.mean(harmful, dtype=np.float64)) if harmful.size else 0.0


def guarded(
    host: Host, guide: Guide, *, foreseen: float, longest: int, episodes: int, key: Key[Array, ""]
) -> dict[str, float]:
    """How random actions, each held for 30 steps, fare if the guide acts where it foresees more
    than `foreseen` (discounted).

    Episodes end after 400 steps at the latest. Costs are undiscounted and of `longest` steps, like
    a limit; `guarded_share` is the share of the steps that were the guide's. The episode that
    `host` was in is lost: give it one of its own.
    """
    begin, taken_over = random_driving(guide, foreseen)
    done = run_episodes(host, begin, episodes=episodes, longest=min(STEPS, longest), key=key)
    driven = float(np.sum(np.asarray(done.lengths)))
    costs = tested_costs(done, host.limits)
    return {
        f"guarded_{name}": costs[name] * longest * episodes / driven
        for name in ("cost", *cost_columns("", host.limits))
    } | {"guarded_share": sum(taken_over) / driven, "foreseen": foreseen}


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
    """What a guide is worth as a guard, before a student depends on it.

    Random actions, each held for 30 steps, drive for up to 400 steps an episode; the guide takes
    over where it foresees too much. So it is tried whether the guide knows which action is too
    much, and whether it can avert what was about to happen. It asks for more than students do,
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
    if episodes < 1:
        raise HandrailError(f"episodes is {episodes}: expected at least 1")
    if foreseen is not None and not foreseen >= 0:
        raise HandrailError(f"foreseen is {foreseen}: expected a discounted cost of 0 or more")
    host = build_host(
        environment, cost=cost, limits=limits, parts=parts, episode_length=episode_length
    )
    needs_box(host)
    longest = episode_steps(host, episode_length)
    loaded = load_fitting(Path(guide), Interface.of_host(host), view=view)
    fitting = loaded.under(host.limits, source=str(guide))
    foreseen = loaded.foreseen if foreseen is None else foreseen
    if foreseen is None:
        raise HandrailError(
            f"{guide}: the card does not say which foreseen cost is too much: give foreseen, such "
            "as two steps' cost"
        )
    return guarded(
        host, fitting, foreseen=foreseen, longest=longest, episodes=episodes,
        key=jax.random.key(seed),
    )  # fmt: skip
