"""Guides: learnt in the source, kept by evaluation, and asked in the target through the view."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from handrail.artifact import Card, fill, load, number, save, widths
from handrail.envs.base import action_size
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.transfer import AbstractView, TransferProblem, observation_shapes
from handrail.errors import HandrailError
from handrail.experiments.navigation.agents import memory, sac_agent, sac_learner
from handrail.experiments.navigation.environments import AnyEnvironment, unrewarded
from handrail.experiments.navigation.evaluations import (
    CHECKPOINT_SECONDS,
    KNOWLEDGE_COLUMNS,
    best,
    chunk_steps,
    record,
    tested,
    try_policy,
)
from handrail.experiments.navigation.guide_card import (
    card_inputs,
    cost_critic_of,
    critic_discount,
    limits_of,
)
from handrail.experiments.navigation.inputs import kind_of
from handrail.experiments.navigation.settings import GuideSettings, check_share
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none, wandering
from handrail.interventions.what import Policy
from handrail.learners.intrinsic import AbstractIntrinsic, NeighbourEntropy, NoIntrinsic
from handrail.learners.sac_entropy import FixedEntropy
from handrail.learners.sac_lagrangian import SacState
from handrail.learners.sac_networks import CostCritic, CriticEnsemble, OnVectors, Sampled
from handrail.networks.gaussian import GaussianPolicy
from handrail.networks.inputs import ScaledInputs
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.loops import AnyLoop, make_loop
from handrail.train.run import execute
from handrail.types import Observation

BEST = "best.safetensors"
# Parts that a robot varies by shaking on the spot; the entropy bonus leaves them out.
SHAKEN = ("accelerometer", "ballangvel_rear", "gyro")
WANDER_STEPS = 30  # of one action: the robot gets up to speed
Report = Callable[[str, int, int], None]


class GuideNetworks(eqx.Module):
    """What travels: how to act, and what it is expected to cost."""

    actor: GaussianPolicy
    critics: CriticEnsemble

    def __check_init__(self):
        if self.actor.inputs != self.critics.inputs:
            raise HandrailError(
                "a guide's actor and critics read their inputs differently, and its file can say "
                "one way: build both with the same `inputs`"
            )

    @staticmethod
    def fresh(
        observation: int,
        actions: int,
        hidden: tuple[int, ...],
        *,
        costs: int = 1,
        cost_critic: CostCritic = "linear",
        inputs: ScaledInputs | None = None,
        key: Key[Array, ""],
    ) -> "GuideNetworks":
        """Untrained networks for vectors of these sizes."""
        return GuideNetworks(
            GaussianPolicy(observation, actions, hidden, inputs=inputs, key=stream(key, "actor")),
            CriticEnsemble.init(
                observation,
                actions,
                hidden,
                costs=costs,
                cost_critic=cost_critic,
                inputs=inputs,
                key=stream(key, "critics"),
            ),
        )


class Guide(eqx.Module):
    """A guide that is asked about observations of the target.

    Attributes:
        networks: how it acts, and what it expects.
        view: what it sees of an observation of the target.
        discount: γ of its critics, per step.
        scales: of several costs, what each is multiplied with to be compared with the *target's*
            smallest limit; empty where they are on that scale already.
    """

    networks: GuideNetworks
    view: AbstractView
    discount: float = eqx.field(static=True)
    scales: tuple[float, ...] = eqx.field(default=(), static=True)

    @property
    def distribution(self) -> OnVectors:
        """Its policy for an observation of the target."""
        return OnVectors(self.networks.actor, self.view)

    @property
    def policy(self) -> Policy:
        """What acts in the student's place: a random action of the guide."""
        return Policy(Sampled(self.distribution))

    def costs(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, " costs"]:
        """Expected discounted sum of each cost after an action of the target, should the guide go
        on from it.
        """
        costs = self.networks.critics.costs(self.view(observation), action)
        return costs * jnp.array(self.scales) if self.scales else costs

    def cost(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, ""]:
        """The highest of `costs`."""
        return jnp.max(self.costs(observation, action))


def guide_loop(settings: GuideSettings) -> AnyLoop:
    """The training of a guide in the source."""
    rescue = settings.rescue
    starts = (
        RescueStarts(rescue.share, rescue.max_speed, rescue.max_turn_rate) if rescue.share else None
    )
    environment: AnyEnvironment = navigation_problem(
        settings.environment,
        source_length=settings.episode_length,
        rescue=starts,
        outside=settings.outside,
    ).source
    if settings.bonus != "displacement":
        environment = unrewarded(environment)
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
    return wandering(share, WANDER_STEPS, key=stream(jax.random.key(seed), "wander"))


def _intrinsic(settings: GuideSettings, environment: AnyEnvironment) -> AbstractIntrinsic:
    """What the guide pays itself: nothing, or for observations unlike what it has seen."""
    if settings.bonus != "entropy":
        return NoIntrinsic()
    return NeighbourEntropy(tuple(name for name in parts(environment) if name not in SHAKEN))


def acquire_guide(
    settings: GuideSettings, folder: Path, report: Report = lambda what, step, total: None
) -> Path:
    """Trains a guide inside `folder` and returns its file; a finished one is not repeated.

    Every epoch the policy is evaluated over whole episodes of the source, without rescue starts
    and with the displacement reward; the best safe one is kept (see `evaluations.best`), since
    multiplier and policy oscillate and the last iterate is rarely the best. `exit_cost` in
    `evaluations.csv` is the cost of an episode of the training's length that begins in a hazard.
    """
    path = folder / "guide.safetensors"
    if path.exists():
        return path
    loop = guide_loop(settings)
    problem = navigation_problem(settings.environment)
    rescue = RescueStarts(1.0, settings.rescue.max_speed, settings.rescue.max_turn_rate)
    from_hazards = navigation_problem(
        settings.environment, source_length=settings.episode_length, rescue=rescue
    ).source

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
        row = {
            "step": step,
            **tested(clean),
            "unsafe_episodes": float(np.mean(np.asarray(clean.costs) > 0)),
            "exit_cost": tested(inside)["cost"],
        }
        table = record(folder, KNOWLEDGE_COLUMNS, row)
        if best(table, settings.limit) == len(table["step"]) - 1:
            save_guide(
                folder / BEST,
                _networks(state.agent.learner),
                problem,
                hidden=settings.learning.hidden,
                limit=settings.limit,
                training={
                    "task": settings.environment,
                    "evaluation": row,
                    "settings": dataclasses.asdict(settings),
                },
            )

    execute(
        loop,
        folder,
        {"purpose": "guide", **dataclasses.asdict(settings)},
        seed=10 * settings.seed + 1,
        summarise=lambda state: {"best": load(folder / BEST)[0].training["evaluation"]},
        watch=watch,
        chunk_steps=chunk_steps(settings.epoch, settings.learning.block),
        report=lambda step, _: report("guide", step, settings.steps),
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    card, arrays = load(folder / BEST, expect="guide")
    save(path, card, arrays)
    return path


def load_guide(path: Path, problem: TransferProblem, *, limit: float | None = None) -> Guide:
    """A guide that fits the problem: it saw what the view gives, and has the same actions.

    With `limit` (of the student), a guide that was trained for a higher one is refused. Raises
    `HandrailError`, naming both sides.
    """
    shapes = parts(problem.source)
    spec = {"parts": shapes, "actions": action_size(problem.target.actions)}
    card, arrays = load(path, expect="guide", spec=spec)
    several = limits_of(card, source=str(path))
    if several:
        raise HandrailError(
            f"{path}: the guide was trained for several costs ({', '.join(several)}), and the task "
            "has one; train a guide in the task's own source"
        )
    own = number(card.spec.get("limit"), f"{path}: the card's limit")
    if limit is not None and own > limit:
        raise HandrailError(
            f"{path}: the guide was trained for a cost limit of {own:g} an episode, but the "
            f"student's is {limit:g}; train a guide with guide.limit ≤ {limit:g}, or raise limit"
        )
    networks = networks_of(card, arrays, source=str(path))
    return Guide(networks, problem.view, critic_discount(card, source=str(path)))


def networks_of(card: Card, arrays: dict[str, np.ndarray], *, source: str) -> GuideNetworks:
    """The networks of a guide's file whose parts and actions have been found to fit."""
    fresh = GuideNetworks.fresh(
        total_size(card.spec["parts"]),
        card.spec["actions"],
        widths(card, "hidden", source=source),
        costs=max(len(limits_of(card, source=source)), 1),
        cost_critic=cost_critic_of(card, source=source),
        inputs=card_inputs(card, source=source),
        key=jax.random.key(0),
    )
    return fill(fresh, arrays, source=source)


def total_size(parts: dict[str, list[int]]) -> int:
    """Numbers in an observation with these parts."""
    return sum(math.prod(shape) for shape in parts.values())


def save_guide(
    path: Path,
    networks: GuideNetworks,
    problem: TransferProblem,
    *,
    hidden: tuple[int, ...],
    limit: float,
    training: dict[str, Any] | None = None,
) -> None:
    """Writes a guide for the problem's source: actor, critics, and a card that says what it fits.

    `limit` is the cost an episode that it was trained for; `hidden` are the widths of its
    layers; `training` says how it came about, in whatever JSON can hold.
    """
    shapes = parts(problem.source)
    card = Card(
        kind="guide",
        spec={
            "parts": shapes,
            "actions": action_size(problem.source.actions),
            "view": "named parts",
            "limit": limit,
        },
        network={
            "hidden": list(hidden),
            "cost_critic": networks.critics.cost_critic,
            "inputs": kind_of(networks.actor.inputs, shapes),
        },
        training=training or {},
    )
    save(path, card, networks)


def random_guide(
    problem: TransferProblem, hidden: tuple[int, ...], discount: float, *, key: Key[Array, ""]
) -> Guide:
    """An untrained guide: what the interventions and the pull towards a guide do by themselves."""
    width = total_size(parts(problem.source))
    networks = GuideNetworks.fresh(width, action_size(problem.target.actions), hidden, key=key)
    return Guide(networks, problem.view, discount)


def parts(environment: AnyEnvironment) -> dict[str, list[int]]:
    """Names and shapes of an observation's parts, as a card states them."""
    shapes = observation_shapes(environment)
    return {name: list(shape.shape) for name, shape in sorted(shapes.items())}


def _networks(learner: SacState) -> GuideNetworks:
    return GuideNetworks(learner.parameters.actor, learner.parameters.critics)
