"""Rewards that a learner gives itself, batch by batch, beside those of the environment."""

import abc
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.types import Observation, Transition
from handrail.equations.entropy_bonus import entropy_bonus
from handrail.equations.random_network import prediction_error, relative_novelty
from handrail.learners.sac.networks import observation_vector
from handrail.networks.mlp import MLP

HIDDEN, FEATURES = (64, 64), 32  # of the networks of `RandomNetwork`


class AbstractIntrinsic(eqx.Module):
    """What is added to the rewards of a batch."""

    def initial(self) -> Any:
        """What it learns beside the learner, before anything is learnt; None: nothing."""
        return None

    @abc.abstractmethod
    def __call__(self, batch: Transition, learnt: Any = None) -> Float[Array, " batch"]:
        """Per step, undiscounted; every leaf of the batch has a leading axis."""

    def loss(self, learnt: Any, batch: Transition) -> Float[Array, ""]:
        """Of what it learns, over a batch."""
        return jnp.zeros(())


class NoIntrinsic(AbstractIntrinsic):
    """Nothing: the environment's rewards stand alone."""

    def __call__(self, batch: Transition, learnt: Any = None) -> Float[Array, " batch"]:
        return jnp.zeros_like(batch.reward)


class NeighbourEntropy(AbstractIntrinsic):
    """Pays for having reached an observation far from the others of the batch.

    The state-occupancy entropy that arXiv:2307.14316 names beside displacement, by nearest
    neighbours within the batch (`equations.entropy_bonus`): the batch is drawn from the replay,
    so what is rare in all that has been visited pays most.

    Attributes:
        parts: the parts of the observation that count, in their own units; empty: all. Parts
            that are noise (accelerations) would pay for shaking on the spot.
        neighbours: k; must be below the size of the batch.
        scale: reward per unit of log-distance.
        offset: added to the distance inside the logarithm.
    """

    parts: tuple[str, ...] = eqx.field(default=(), static=True)
    neighbours: int = eqx.field(default=3, static=True)
    scale: float = eqx.field(default=1.0, static=True)
    offset: float = eqx.field(default=1.0, static=True)

    def __call__(self, batch: Transition, learnt: Any = None) -> Float[Array, " batch"]:
        particles = jax.vmap(lambda seen: counted(seen, self.parts))(batch.next_observation)
        bonus = jax.vmap(lambda x: entropy_bonus(x, particles, self.neighbours, self.offset))
        return self.scale * bonus(particles)


class RandomNetwork(AbstractIntrinsic):
    """Pays for having reached an observation that a network does not predict yet.

    Random network distillation (arXiv:1810.12894, `equations.random_network`): what the network
    `learner` learns, by the step size of the rest, is what the fixed network `target` makes of an
    observation. The reward is its error in multiples of the batch's mean error.

    Attributes:
        target: fixed.
        learner: as it begins; of another random beginning.
        parts: as of `NeighbourEntropy`.
    """

    target: MLP
    learner: MLP
    parts: tuple[str, ...] = eqx.field(default=(), static=True)

    @classmethod
    def of(
        cls, numbers: int, parts: tuple[str, ...] = (), *, key: Key[Array, ""]
    ) -> "RandomNetwork":
        """Fresh networks for so many numbers of an observation."""
        sizes = (numbers, *HIDDEN, FEATURES)
        fixed, learnt = jax.random.split(key)
        return cls(MLP(sizes, key=fixed), MLP(sizes, key=learnt), parts)

    def initial(self) -> MLP:
        return self.learner

    def __call__(self, batch: Transition, learnt: Any = None) -> Float[Array, " batch"]:
        errors = self._errors(self.learner if learnt is None else learnt, batch)
        return jax.vmap(lambda error: relative_novelty(error, errors))(errors)

    def loss(self, learnt: MLP, batch: Transition) -> Float[Array, ""]:
        return jnp.mean(self._errors(learnt, batch))

    def _errors(self, learnt: MLP, batch: Transition) -> Float[Array, " batch"]:
        def error(observation: Observation) -> Float[Array, ""]:
            seen = counted(observation, self.parts)
            return prediction_error(jax.lax.stop_gradient(self.target(seen)), learnt(seen))

        return jax.vmap(error)(batch.next_observation)


def counted(observation: Observation, parts: tuple[str, ...]) -> Float[Array, " n"]:
    """These parts of an observation as one vector; all of it if none is named.

    Raises `HandrailError` for a part that it has not.
    """
    if not parts:
        return observation_vector(observation)
    for name in parts:
        if not isinstance(observation, Mapping) or name not in observation:
            known = ", ".join(observation) if isinstance(observation, Mapping) else "no parts"
            raise HandrailError(
                f"the bonus counts the part {name!r}, but the observation has {known}"
            )
    return observation_vector({name: observation[name] for name in parts})
