"""Guides are learnt in the source without the task's reward, and kept by evaluation."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.arguments import checked
from handrail.artifact import load, save
from handrail.envs.host_copies import HostCopies
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.problems import navigation_problem
from handrail.experiments.navigation.agents import memory, sac_agent, sac_learner
from handrail.experiments.navigation.environments import (
    AnyEnvironment,
    side_by_side,
    unrewarded,
)
from handrail.experiments.navigation.evaluations import (
    CHECKPOINT_SECONDS,
    GUIDE_COLUMNS,
    best,
    best_guard,
    chunk_steps,
    record,
    tested,
    try_policy,
)
from handrail.experiments.navigation.guarded import HELD, drive_guarded, guarded_source
from handrail.experiments.navigation.guide import (
    BEST,
    Guide,
    GuideNetworks,
    parts,
    save_guide,
)
from handrail.experiments.navigation.settings import GuideSettings, check_share
from handrail.experiments.navigation.source_data import beside, save_steps
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none, wandering
from handrail.learners.intrinsic import AbstractIntrinsic, NeighbourEntropy, NoIntrinsic
from handrail.learners.sac_agent import SacAgent
from handrail.learners.sac_entropy import FixedEntropy
from handrail.learners.sac_networks import OnVectors
from handrail.learners.sac_state import SacState
from handrail.recorded import stable
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.loops import AnyLoop, make_loop
from handrail.train.run import execute

# Parts that a robot varies by shaking on the spot; the entropy bonus leaves them out.
SHAKEN = ("accelerometer", "ballangvel_rear", "gyro")
CHOICES = {"farthest": best, "guard": best_guard}  # the evaluation whose guide is kept
Report = Callable[[str, int, int], None]


def guide_loop(settings: GuideSettings) -> AnyLoop:
    """The training of a guide in the source."""
    rescue = settings.rescue
    starts = (
        RescueStarts(rescue.share, rescue.max_speed, rescue.max_turn_rate) if rescue.share else None
    )

    def source() -> AnyEnvironment:
        environment: AnyEnvironment = navigation_problem(
            settings.environment,
            source_length=settings.episode_length,
            rescue=starts,
            outside=settings.outside,
        ).source
        return environment if settings.bonus == "displacement" else unrewarded(environment)

    environment = side_by_side(source(), source, settings.copies)
    learner = sac_learner(
        settings.learning,
        settings.limit,
        parts=parts(environment),
        entropy=FixedEntropy(settings.entropy_weight),
        intrinsic=_intrinsic(settings, environment),
        insistence=settings.insistence,
    )
    agent = sac_agent(
        settings.learning,
        learner,
        memory(settings.learning, settings.steps, split=False),
        uniform_steps=settings.uniform_steps,
    )
    driver = wanderer(settings.wander, seed=10 * settings.seed + 1)
    return make_loop(environment, agent, driver, settings.steps)


def wanderer(share: float, *, seed: int) -> Intervention:
    """What drives a share of a guide's training: random actions, held. Raises `HandrailError`."""
    check_share("wander", share)
    if not share:
        return none()
    return wandering(share, HELD, key=stream(jax.random.key(seed), "wander"))


def _intrinsic(
    settings: GuideSettings, environment: AnyEnvironment | HostCopies
) -> AbstractIntrinsic:
    """What the guide pays itself: nothing, or for observations unlike what it has seen."""
    if settings.bonus != "entropy":
        return NoIntrinsic()
    return NeighbourEntropy(tuple(name for name in parts(environment) if name not in SHAKEN))


def acquire_guide(
    settings: GuideSettings, folder: Path, report: Report = lambda what, step, total: None
) -> Path:
    """Trains a guide inside `folder` and returns its file; a finished one is not repeated.

    Every epoch the policy is evaluated over whole episodes of the source, without rescue starts
    and with the displacement reward; a safe one is kept (`settings.chosen`), since multiplier and
    policy oscillate and the last iterate may not be safe. `exit_cost` in
    `evaluations.csv` is the cost of an episode of the training's length that begins in a hazard.
    """
    path = folder / "guide.safetensors"
    if path.exists():
        return path
    settings = checked(settings)
    loop, choice = guide_loop(settings), CHOICES[settings.chosen]
    problem = navigation_problem(settings.environment)
    rescue = RescueStarts(1.0, settings.rescue.max_speed, settings.rescue.max_turn_rate)
    from_hazards = navigation_problem(
        settings.environment, source_length=settings.episode_length, rescue=rescue
    ).source
    guarding = guarded_source(settings.environment)

    def watch(step: int, state: RunState) -> None:
        if step % settings.epoch:
            return
        key = stream(state.key, "evaluation", step)
        policy = OnVectors(state.agent.learner.parameters.actor)
        clean, inside = (
            try_policy(
                environment, policy,
                episodes=settings.evaluation_episodes, key=stream(key, name),
            )
            for name, environment in (("clean", problem.source), ("rescue", from_hazards))
        )  # fmt: skip
        networks = _networks(state.agent.learner)
        # the same episodes and random actions every time: fewer are needed to compare
        guarded = drive_guarded(
            guarding, Guide(networks, problem.view, settings.learning.discount),
            episodes=settings.guard_episodes, key=stream(state.key, "guarded"),
        )  # fmt: skip
        row = {
            "step": step,
            **tested(clean),
            "unsafe_episodes": float(np.mean(np.asarray(clean.costs) > 0)),
            "exit_cost": tested(inside)["cost"],
            "guarded_cost": guarded.cost,
            "guarded_share": guarded.share,
        }
        table = record(folder, GUIDE_COLUMNS, row)
        if choice(table, settings.limit) == len(table["step"]) - 1:
            save_guide(
                folder / BEST,
                networks,
                problem,
                hidden=settings.learning.hidden,
                limit=settings.limit,
                training={
                    "task": settings.environment,
                    "evaluation": row,
                    "settings": dataclasses.asdict(settings),
                },
            )

    def summarise(state: RunState) -> dict[str, Any]:
        if settings.keep:
            assert isinstance(loop.agent, SacAgent)  # see `guide_loop`
            save_steps(
                beside(path), loop.agent, state.agent,
                source=settings.environment, count=settings.keep,
                key=stream(state.key, "kept steps"),
            )  # fmt: skip
        return {"best": load(folder / BEST)[0].training["evaluation"]}

    execute(
        loop,
        folder,
        {"purpose": "guide", **stable(settings)},
        seed=10 * settings.seed + 1,
        summarise=summarise,
        watch=watch,
        chunk_steps=chunk_steps(settings.epoch, settings.learning.block),
        report=lambda step, _: report("guide", step, settings.steps),
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    card, arrays = load(folder / BEST, expect="guide")
    save(path, card, arrays)
    return path


def _networks(learner: SacState) -> GuideNetworks:
    return GuideNetworks(learner.parameters.actor, learner.parameters.critics)
