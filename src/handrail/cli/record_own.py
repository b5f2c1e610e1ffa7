"""Recorded episodes in environments of the user's: frames that they render, and series."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.api.policies import card_of_policy, open_networks, parts_of
from handrail.cli.evaluate import OWN, OwnRun, factory_of
from handrail.cli.own_acting import Beside, acting, intervention_of_own
from handrail.envs.gymnasium.building import build_host, built, closes_environments
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.named import attribute
from handrail.experiments import launch
from handrail.experiments.launch import Which
from handrail.interventions.recipes import none
from handrail.methods.sagui.cards import Limits
from handrail.methods.sagui.problem import interface_of
from handrail.tasks.own.episode import record_in, rendering
from handrail.train.rollout.recorded import RecordedEpisode


def record_own(
    folder: Path,
    run: OwnRun,
    *,
    episodes: int,
    seed: int,
    shielded: bool,
    which: Which,
    environment: str | None,
    cost_fn: str | None,
    episode_length: int | None,
    beside: Beside,
) -> list[RecordedEpisode]:
    """Episodes of a finished run in the user's environment, as of `handrail evaluate`.

    With `shielded` the run's intervention acts. Frames are there if the environment can render
    `rgb_array`. Raises `HandrailError` where the run, its policy, what is `beside` it or the
    environment do not fit.
    """
    launch.check_evaluation(folder, episodes, seed)
    file = OWN[run.purpose](folder, which)
    make = factory_of(folder, run, environment, cost_fn)
    cost = None if cost_fn is None else attribute(cost_fn, "--cost-fn")
    return _recorded(
        run, file, lambda: rendering(make), beside, shielded, cost=cost, episodes=episodes,
        seed=seed, longest=run.episode_length if episode_length is None else episode_length,
    )  # fmt: skip


@closes_environments
def _recorded(
    run: OwnRun,
    file: Path,
    make: Callable[[], Any],
    beside: Beside,
    shielded: bool,
    *,
    cost: CostFn | None,
    episodes: int,
    seed: int,
    longest: int,
) -> list[RecordedEpisode]:
    card = card_of_policy(file)
    limits = Limits.read(card, source=str(file)) if "limit" in card.spec else None
    several = run.limits if limits is None else limits.several
    env = built(make)
    host = build_host(
        lambda: env, cost=cost, limits=several or None, parts=parts_of(env, card),
        episode_length=longest,
    )  # fmt: skip
    interface = interface_of(host, longest)
    policy = acting(open_networks(file, card, interface))
    intervention, acts = none(), ""
    if shielded:
        intervention, acts = intervention_of_own(
            beside, run.purpose, host, interface, longest=longest
        )
    method = beside.student.method if run.purpose == "own student" else run.purpose
    return record_in(
        host, policy, intervention, environment=run.environment, method=method, acts=acts,
        episodes=episodes, seed=seed, longest=longest,
    )  # fmt: skip
