"""Guides: their networks, and what is asked of them in the target through the view."""

import dataclasses
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
from handrail.envs.transfer import AbstractView, SameView
from handrail.interventions.substitutes import Policy
from handrail.learners.sac.networks import (
    REWARD_CRITICS,
    CostCritic,
    CriticEnsemble,
    OnVectors,
    Sampled,
)
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
        cost_critics: int = 1,
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
                cost_critics=cost_critics,
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
        pessimism: what is added to the mean of several critics of a cost, in their standard
            deviations.
        reward_scale: what its reward critics count rewards times.
        scales: of several costs, what each is multiplied with to be compared with the *target's*
            smallest limit; empty where they are on that scale already.
    """

    networks: GuideNetworks
    view: AbstractView
    discount: float = eqx.field(static=True)
    scales: tuple[float, ...] = eqx.field(default=(), static=True)
    pessimism: float = eqx.field(default=0.0, static=True)
    reward_scale: float = eqx.field(default=1.0, static=True)

    @property
    def in_source(self) -> "Guide":
        """The same, asked about observations of its source, on the scale of its own limits."""
        return dataclasses.replace(self, view=SameView(), scales=())

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
        return self._costs(observation, action, self.pessimism)

    def _costs(self, observation, action, pessimism: float) -> Float[Array, " costs"]:
        seen = self.view(observation)
        costs = self.networks.critics.costs(seen, action, pessimism=pessimism)
        return costs * jnp.array(self.scales) if self.scales else costs

    def cost(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, ""]:
        """The highest of `costs`."""
        return jnp.max(self.costs(observation, action))

    def advantage(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, ""]:
        """By how much more an action is predicted to cost than the guide's most likely one; of
        several costs the largest difference.

        With `pessimism` the action's cost is counted high and the guide's own low: of two critics
        and a pessimism of 1 that is the higher and the lower, as SAILR (arXiv:2106.09110) has it.
        """
        own = self.distribution(observation).mode()
        other = self._costs(observation, action, self.pessimism)
        return jnp.max(other - self._costs(observation, own, -self.pessimism))

    def value(self, observation: Observation) -> Float[Array, ""]:
        """What the guide expects to earn from here on by the reward of its *source*, discounted and
        in the source's own units: the mean of its reward critics at its most likely action.
        """
        own = self.distribution(observation).mode()
        values = self.networks.critics(self.view(observation), own)
        return jnp.mean(values[:REWARD_CRITICS]) / self.reward_scale

    def pessimistic(self, pessimism: float) -> "Guide":
        """It, with this many standard deviations of its critics on top of their mean.

        Raises `HandrailError` where there is one critic a cost, which never disagrees.
        """
        if pessimism and self.networks.critics.cost_critics == 1:
            raise HandrailError(
                f"pessimism is {pessimism:g}, but the guide has one cost critic, which cannot "
                "disagree with itself: train a guide with several (learning.cost_critics=5), or "
                "set pessimism to 0"
            )
        return self if not pessimism else dataclasses.replace(self, pessimism=pessimism)


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
