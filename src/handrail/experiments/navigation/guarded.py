"""What a guide prevents: random driving under its guard, before there is any student."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.artifact import Card
from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.navigation.problems import navigation_problem
from handrail.experiments.navigation.environments import AnyEnvironment
from handrail.learners.sac_networks import Sampled
from handrail.methods.sagui.guide import Guide
from handrail.methods.sagui.presets import TAKEOVER_STEPS as FORESEEN
from handrail.methods.sagui.settings import LIMIT_STEPS
from handrail.rng import stream
from handrail.train.evaluate_host import Act, run_on_host
from handrail.types import Observation

GUARD = FORESEEN
"""Discounted cost that is foreseen of a random action before the guide takes over in the test."""
STEPS = 400
"""Of an episode of the test."""
HELD = 30
"""Steps for which a random action is held: the robot gets up to speed."""


@dataclasses.dataclass(frozen=True)
class Guarded:
    """Episodes of random driving under a guide's guard, one entry each."""

    costs: Float[np.ndarray, " episodes"]
    """Undiscounted sums."""
    lengths: Float[np.ndarray, " episodes"]
    """Steps."""
    taken_over: Float[np.ndarray, " episodes"]
    """Steps that were the guide's."""

    @property
    def cost(self) -> float:
        """Undiscounted, per `LIMIT_STEPS` steps, like a limit."""
        return float(LIMIT_STEPS * self.costs.sum() / self.lengths.sum())

    @property
    def share(self) -> float:
        """Of the steps, how many were the guide's."""
        return float(self.taken_over.sum() / self.lengths.sum())


def guarded_source(name: str) -> AnyEnvironment:
    """The task's source, where the test takes place: nothing ends at its borders."""
    return navigation_problem(name, source_length=STEPS, outside="open").source


def drive_guarded(
    environment: AnyEnvironment, guide: Guide, *, episodes: int, key: Key[Array, ""]
) -> Guarded:
    """How random driving fares if the guide acts where it foresees more than `GUARD`.

    Both of a guide's tasks are tried at once: to know which action is too much, and to avert what
    was about to happen. An environment on the host loses the episode that it is in. `guide` may
    be asked in its source or, through its view, in the target.
    """
    if not isinstance(environment, AbstractHostEnvironment):
        return Guarded(*map(np.asarray, drive_compiled(environment, guide, episodes, key)))
    begin, taken_over = random_driving(guide, GUARD)
    done = run_on_host(environment, begin, episodes=episodes, key=key)
    lengths = np.asarray(done.lengths, np.float32)
    return Guarded(np.asarray(done.costs), lengths, np.array(taken_over, np.float32))


def random_driving(
    guide: Guide, foreseen: float
) -> tuple[Callable[[Key[Array, ""]], Act], list[float]]:
    """What begins an episode of the test on the host, and a list that fills with one number an
    episode: steps that were the guide's, because it foresaw more than this discounted cost.
    """
    arrays, rest = eqx.partition(guide, eqx.is_array)
    leaves, tree = jax.tree.flatten(arrays)
    decided = _decided_by_leaves(tree, rest)
    taken_over: list[float] = []
    too_much = np.float32(foreseen)

    def begin(own: Key[Array, ""]) -> Act:
        count, episode = itertools.count(), len(taken_over)
        taken_over.append(0.0)

        def act(observation: Observation):
            index = np.int32(next(count))
            action, takes_over = decided(leaves, too_much, observation, index, own)
            taken_over[episode] += bool(takes_over)
            return np.asarray(action)

        return act

    return begin, taken_over


def doubts(card: Card, limit: float) -> list[str]:
    """What the evaluation on a guide's card says against a student of this limit, in words.

    `limit` is undiscounted, of an episode of as many steps as those of the card's own limit.
    """
    evaluation = card.training.get("evaluation")
    cost = evaluation.get("guarded_cost") if isinstance(evaluation, dict) else None
    if not isinstance(cost, (int, float)) or not cost > limit:
        return []
    steps = card.spec.get("limit_steps")
    steps = steps if isinstance(steps, int) else LIMIT_STEPS
    return [
        f"random driving under this guide's guard costs {cost:.3g} in {steps:,} steps, more "
        f"than the student's limit of {limit:g}: expect epochs above it, or train another guide "
        "(longer, or from another seed)"
    ]


def _decided(
    guide: Guide,
    foreseen: float | Float[Array, ""],
    observation: Observation,
    index: Int[Array, ""],
    key: Key[Array, ""],
) -> tuple[Float[Array, " a"], Bool[Array, ""]]:
    """What is done in a step, and whether the guide does it."""
    averted, _ = Sampled(guide.distribution)(observation, stream(key, "averted", index))
    held = stream(key, "held", index // HELD)
    proposed = jax.random.uniform(held, averted.shape, minval=-1, maxval=1)
    takes_over = guide.cost(observation, proposed) > foreseen
    return jnp.where(takes_over, averted, proposed), takes_over


@functools.lru_cache(maxsize=4)  # so that a guide in training is compiled once
def _decided_by_leaves(tree: Any, rest: Guide):
    """`_decided` of a guide's arrays as a list: taking the guide apart at every step would take
    longer than a step of the physics.
    """

    @jax.jit
    def decided(leaves, foreseen, observation, index, own):
        guide = eqx.combine(jax.tree.unflatten(tree, leaves), rest)
        return _decided(guide, foreseen, observation, index, own)

    return decided


@eqx.filter_jit
def drive_compiled(
    environment: AbstractEnvironment, guide: Guide, episodes: int, key: Key[Array, ""]
) -> tuple[Float[Array, " episodes"], Float[Array, " episodes"], Float[Array, " episodes"]]:
    """What `Guarded` has, of a compiled environment."""

    def episode(own: Key[Array, ""]):
        world, observation = environment.reset(key=stream(own, "reset"))

        def step(carry, index):
            world, observation, running = carry
            action, takes_over = _decided(guide, GUARD, observation, index, own)
            world, timestep = environment.step(world, action, key=stream(own, "step", index))
            happened = jnp.stack([timestep.cost, jnp.ones(()), takes_over]) * running
            running &= ~(timestep.terminated | timestep.truncated)
            return (world, timestep.observation, running), happened

        start = (world, observation, jnp.array(True))
        _, happened = jax.lax.scan(step, start, jnp.arange(environment.episode_length))
        return happened.sum(axis=0)

    return tuple(jax.vmap(episode)(jax.random.split(key, episodes)).T)
