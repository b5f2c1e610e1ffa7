"""What a guide prevents in an environment of one's own: random driving under its guard."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.envs.host_costs import CostFn
from handrail.equations.budget import discounted_limit
from handrail.errors import HandrailError
from handrail.experiments.navigation.guarded import STEPS, under_guard
from handrail.experiments.navigation.guide import Guide
from handrail.experiments.navigation.settings import EARLY
from handrail.own.environments import (
    Environment,
    Host,
    build_host,
    closed_after,
    episode_limit,
    episode_steps,
)
from handrail.own.guide import Interface, load_fitting
from handrail.own.sac import needs_box
from handrail.own.several_costs import cost_columns, tested_costs
from handrail.train.evaluate_copies import run_episodes


def guard_columns(limits: Mapping[str, float]) -> tuple[str, ...]:
    """What `guarded` measures."""
    return ("guarded_cost", "guarded_share", *cost_columns("guarded_", limits))


def guarded(
    host: Host,
    guide: Guide,
    *,
    limit: float,
    longest: int,
    episodes: int,
    threshold: float = EARLY,
    key: Key[Array, ""],
) -> dict[str, float]:
    """How random actions, each held for 30 steps, fare under the guide's guard.

    It takes over where a student under budget-switch would hand over to it: where it foresees more
    than `threshold` times `limit` (an episode's, undiscounted, of `longest` steps). Episodes end
    after 400 steps at the latest. Costs are undiscounted and of `longest` steps, like the limit;
    `guarded_share` is the share of the steps that were the guide's. The episode that `host` was
    in is lost: give it one of its own.
    """
    foreseen = threshold * discounted_limit(limit, guide.discount, longest)
    begin, taken_over = under_guard(guide, foreseen)
    done = run_episodes(host, begin, episodes=episodes, longest=min(STEPS, longest), key=key)
    driven = float(np.sum(np.asarray(done.lengths)))
    costs = tested_costs(done, host.limits)
    return {
        f"guarded_{name}": costs[name] * longest * episodes / driven
        for name in ("cost", *cost_columns("", host.limits))
    } | {"guarded_share": sum(taken_over) / driven}


def try_guide(
    environment: Environment,
    guide: Path | str,
    *,
    view: Callable[[Any], Any] | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    limit: float | None = None,
    parts: Sequence[str] | None = None,
    threshold: float = EARLY,
    episode_length: int | None = None,
    episodes: int = 100,
    seed: int = 0,
) -> dict[str, float]:
    """What a guide is worth as a guard, before a student depends on it.

    Random actions, each held for 30 steps, drive for up to 400 steps an episode; the guide takes
    over where it would under budget-switch. So it is tried whether the guide knows which action is
    too much, and whether it can avert what was about to happen. In the navigation tasks no student
    of a guide that passes broke its limit, and the others did (docs/results-sagui.md). Try it in
    a simulator of the target: what goes wrong goes wrong there.

    Args:
        environment: id of the environment, or a function that builds it, or several of it side
            by side (a Gymnasium vector environment).
        guide: its file.
        view: the guide's parts of the observation; by default those of the same names.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        limit: of the student, the expected undiscounted cost of an episode.
        threshold: of budget-switch, in multiples of the limit on the critic's scale.
        episode_length: the time limit in steps, if the environment does not say.
        episodes: to drive; a rare cost needs hundreds.
        seed: of everything.

    Returns:
        `guarded_cost`, undiscounted, per episode of `episode_length` steps (of several costs the
        one nearest to its limit, on the scale of the smallest limit, and each by its name),
        `guarded_share` of the steps that were the guide's, and the `limit`: a guide passes if
        its cost does not exceed it.
    """
    if episodes < 1:
        raise HandrailError(f"episodes is {episodes}: expected at least 1")
    host = build_host(environment, cost=cost, limits=limits, parts=parts)
    needs_box(host)
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    loaded = load_fitting(Path(guide), Interface.of_host(host), view=view)
    fitting = loaded.under(host.limits, source=str(guide))
    with closed_after(host):
        found = guarded(
            host, fitting, limit=allowed, longest=longest, episodes=episodes,
            threshold=threshold, key=jax.random.key(seed),
        )  # fmt: skip
    return found | {"limit": allowed}
