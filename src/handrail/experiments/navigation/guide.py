"""Guides: their files, and what is asked of them in the target through the view."""

import math
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from handrail.artifact import Card, fill, load, number, save, widths
from handrail.envs.base import action_size
from handrail.envs.host_copies import HostCopies
from handrail.envs.transfer import AbstractView, TransferProblem, observation_shapes
from handrail.errors import HandrailError
from handrail.experiments.navigation.environments import AnyEnvironment
from handrail.experiments.navigation.guide_card import (
    card_inputs,
    cost_critic_of,
    critic_discount,
    limits_of,
)
from handrail.experiments.navigation.inputs import kind_of
from handrail.interventions.what import Policy
from handrail.learners.sac_networks import CostCritic, CriticEnsemble, OnVectors, Sampled
from handrail.networks.gaussian import GaussianPolicy
from handrail.networks.inputs import ScaledInputs
from handrail.rng import stream
from handrail.types import Observation

BEST = "best.safetensors"


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
    own = number(card.spec.get("limit"), f"{path}: the card's limit", least=0)
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


def parts(environment: AnyEnvironment | HostCopies) -> dict[str, list[int]]:
    """Names and shapes of an observation's parts, as a card states them."""
    shapes = observation_shapes(environment)
    return {name: list(shape.shape) for name, shape in sorted(shapes.items())}
