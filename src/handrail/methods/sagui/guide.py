"""Guides: their networks, and what is asked of them in the target through the view."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.artifact import part_shapes
from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Observation
from handrail.envs.base import action_size
from handrail.envs.transfer import AbstractView
from handrail.interventions.substitutes import Policy
from handrail.learners.sac.networks import CostCritic, CriticEnsemble, OnVectors, Sampled
from handrail.methods.sagui.problem import Interface
from handrail.networks.gaussian import GaussianPolicy, Inputs


class GuideNetworks(eqx.Module):
    """What travels: how to act, and what it is expected to cost."""

    actor: GaussianPolicy
    critics: CriticEnsemble

    def __check_init__(self):
        # what they read with is in the structure, what they have learnt in the arrays
        if jax.tree.structure(self.actor.inputs) != jax.tree.structure(self.critics.inputs):
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
        inputs: Inputs = None,
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


def random_guide(
    interface: Interface,
    view: AbstractView,
    hidden: tuple[int, ...],
    discount: float,
    *,
    key: Key[Array, ""],
) -> Guide:
    """An untrained guide: what the interventions and the pull towards a guide do by themselves."""
    seen = part_shapes(jax.eval_shape(view, interface.observation))
    actions = action_size(interface.actions)
    return Guide(GuideNetworks.fresh(total_size(seen), actions, hidden, key=key), view, discount)


def total_size(parts: dict[str, list[int]]) -> int:
    """Numbers in an observation with these parts."""
    return sum(math.prod(shape) for shape in parts.values())
