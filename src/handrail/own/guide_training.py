"""A safe guide, learnt in a source of one's own."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from handrail.artifact import load, part_shapes, save
from handrail.envs.host_costs import CostFn
from handrail.envs.transfer import SameView
from handrail.errors import HandrailError, UnknownName
from handrail.experiments.navigation.agents import memory, sac_agent, sac_learner
from handrail.experiments.navigation.evaluations import best, best_guard, record
from handrail.experiments.navigation.guide import Guide, GuideNetworks
from handrail.experiments.navigation.guide_training import wanderer
from handrail.experiments.navigation.settings import SacSettings, check_schedule
from handrail.experiments.navigation.source_data import beside, save_steps
from handrail.learners.sac_entropy import FixedEntropy
from handrail.learners.sac_networks import OnVectors
from handrail.own.environments import (
    Environment,
    build_host,
    closes_environments,
    episode_limit,
    episode_steps,
    named,
)
from handrail.own.guarding import foreseen_at, guard_columns, guarded
from handrail.own.rewards import BonusFn, with_bonus
from handrail.own.sac import Report, card_of, needs_box, run_epochs
from handrail.own.several_costs import cost_columns, tested_costs
from handrail.replay.ring import RingState
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.evaluate_copies import run_episodes
from handrail.train.evaluate_host import sampled
from handrail.train.host import HostLoop

COLUMNS = ("step", "return", "cost", "length", "unsafe_episodes")
LEARNING = SacSettings(multiplier_rate=10.0, damping=0.0, cost_floor="zero")
CHOICES = {"bonus": best, "guard": best_guard}  # the evaluation whose guide is kept
BEST, GUIDE = "best.safetensors", "guide.safetensors"


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

    Every epoch the sampled policy is evaluated over whole episodes, and tried as a guard: what do
    random actions cost if it takes over where it foresees the cost of two steps
    (`handrail.try_guide`)? Of those within the limit the best guard is kept, or the one with the
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
        guard_episodes: of up to 400 steps each, in which it is tried as a guard; the same ones
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
    folder = Path(folder)
    learning = LEARNING if learning is None else learning
    check_schedule(steps, epoch, learning)
    if keep < 0 or (keep and limits is not None):
        raise HandrailError(
            f"keep is {keep}: expected the number of steps to keep, 0 where there are several costs"
        )
    if chosen not in CHOICES:
        raise UnknownName("choice of a guide", chosen, CHOICES)
    if guard_episodes < 1:
        raise HandrailError(f"guard_episodes is {guard_episodes}: expected at least 1")
    host, trial = (
        build_host(source, cost=cost, limits=limits, parts=parts, episode_length=episode_length)
        for _ in range(2)
    )
    needs_box(host)
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    agent = sac_agent(
        learning,
        sac_learner(
            learning,
            allowed,
            longest,
            entropy=FixedEntropy(entropy_weight),
            constraints=tuple(host.limits.items()),
        ),
        memory(learning, steps, split=False),
        uniform_steps=uniform_steps,
    )
    settings = {
        "purpose": "own guide", "environment": host.name, "cost": named(cost), "limit": allowed,
        "limits": None if limits is None else dict(limits), "bonus": named(bonus),
        "parts": part_shapes(host.observation_zeros()), "episode_length": longest,
        "steps": steps, "epoch": epoch, "evaluation_episodes": evaluation_episodes,
        "guard_episodes": guard_episodes, "chosen": chosen,
        "entropy_weight": entropy_weight, "uniform_steps": uniform_steps, "seed": seed,
        "wander": wander, "keep": keep,
        "learning": dataclasses.asdict(learning),
    }  # fmt: skip
    tried = with_bonus(trial, bonus)
    columns = (*COLUMNS, *cost_columns("", host.limits), *guard_columns(host.limits))
    driver = wanderer(wander, seed=10 * seed + 1)

    def watch(step: int, state: RunState) -> None:
        if step % epoch:
            return
        policy = OnVectors(state.agent.learner.parameters.actor)
        test = run_episodes(
            tried, sampled(policy), episodes=evaluation_episodes, longest=longest,
            key=stream(state.key, "evaluation", step),
        )  # fmt: skip
        networks = GuideNetworks(
            state.agent.learner.parameters.actor, state.agent.learner.parameters.critics
        )
        assert isinstance(state.agent.replay, RingState)  # see `memory`
        guarding = guarded(
            trial, Guide(networks, SameView(), learning.discount),
            foreseen=foreseen_at(np.asarray(state.agent.replay.items.cost)),
            longest=longest, episodes=guard_episodes, key=stream(state.key, "guarded"),
        )  # fmt: skip
        unsafe = float(jnp.mean(test.costs > 0))
        costs = tested_costs(test, host.limits)
        row = {"step": step, **costs, "unsafe_episodes": unsafe, **guarding}
        table = record(folder, columns, row)
        if CHOICES[chosen](table, allowed) == len(table["step"]) - 1:
            save(folder / BEST, card_of("guide", host, settings, learning, row), networks)

    def summarise(state: RunState) -> dict[str, Any]:
        if keep:
            save_steps(
                beside(folder / GUIDE), agent, state.agent,
                source=host.name, count=keep, key=stream(state.key, "kept steps"),
            )  # fmt: skip
        return {"best": load(folder / BEST)[0].training["evaluation"]}

    run_epochs(
        HostLoop(with_bonus(host, bonus), agent, driver, steps), folder, settings, watch=watch,
        summarise=summarise,
        epoch=epoch, seed=10 * seed + 1, report=report,
    )  # fmt: skip
    card, arrays = load(folder / BEST, expect="guide")
    save(folder / GUIDE, card, arrays)
    return folder / GUIDE
