"""The networks of SAC-Lagrangian, and observations as the vectors that they read.

All critics share one architecture and one batch, so they are one ensemble: two for reward,
then as many for each cost as there are to agree on it, by default one. Their products run as one
batched product.
"""

from collections.abc import Callable
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from handrail.core.errors import HandrailError
from handrail.core.types import Observation, Transition
from handrail.networks.gaussian import GaussianPolicy, Inputs, SquashedGaussian
from handrail.networks.initialisers import glorot_uniform
from handrail.networks.inputs import ScaledInputs
from handrail.networks.mlp import MLP
from handrail.networks.reading import ReadInputs, with_inputs

REWARD_CRITICS = 2
CostCritic = Literal["linear", "positive"]
COST_CRITICS: tuple[CostCritic, ...] = get_args(CostCritic)
Distribution = Callable[[Observation], SquashedGaussian]


def observation_vector(observation: Observation) -> Shaped[Array, " observation"]:
    """An observation's parts side by side; parts of a dictionary in the order of their names."""
    leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(observation)]
    return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves)


def vector_sizes(example: Transition, needs: str) -> tuple[int, int]:
    """How many numbers an observation and an action have. Raises `HandrailError` for numbered
    actions; `needs` says who cannot act so, such as "SAC-Lagrangian needs".
    """
    action = example.action
    if action.ndim != 1 or not jnp.issubdtype(action.dtype, jnp.floating):
        raise HandrailError(
            f"{needs} a vector of real actions in [−1, 1], not {action.dtype} of shape "
            f"{action.shape}; for discrete actions use the double DQN"
        )
    return jax.eval_shape(observation_vector, example.observation).shape[0], action.shape[0]


class CriticEnsemble(eqx.Module):
    """Discounted action values: reward, reward, and each cost (members 0, 1, 2, …).

    Attributes:
        members: the networks; every array has a leading axis of critics. Those of one cost follow
            one another.
        cost_critic: what a cost's network gives: the value (`linear`), or what the value is the
            softplus of (`positive`), see `docs/decisions.md`, G27.
        inputs: what the networks read of an observation's vector, if not the vector.
        cost_critics: how many networks there are for each cost. Where they agree they know.
    """

    members: MLP
    cost_critic: CostCritic = eqx.field(default="linear", static=True)
    inputs: ScaledInputs | ReadInputs | None = None
    cost_critics: int = eqx.field(default=1, static=True)

    @staticmethod
    def init(
        observation: int,
        action: int,
        hidden: tuple[int, ...],
        *,
        costs: int = 1,
        cost_critic: CostCritic = "linear",
        cost_critics: int = 1,
        inputs: Inputs = None,
        key: Key[Array, ""],
    ) -> "CriticEnsemble":
        """Fresh critics for vectors of these sizes; independent, but for what reads images."""
        inputs, observation = with_inputs(inputs, observation, key=key)
        sizes = (observation + action, *hidden, 1)
        return CriticEnsemble(
            eqx.filter_vmap(lambda k: MLP(sizes, init=glorot_uniform, key=k))(
                jax.random.split(key, REWARD_CRITICS + costs * cost_critics)
            ),
            cost_critic,
            inputs,
            cost_critics,
        )

    def batch(
        self, observations: Shaped[Array, "batch n"], actions: Float[Array, "batch a"]
    ) -> Float[Array, "critics batch"]:
        """The values of a batch, one row a critic."""
        return self._values(self._outputs(observations, actions))

    def fitted(
        self, observations: Shaped[Array, "batch n"], actions: Float[Array, "batch a"]
    ) -> Float[Array, "critics batch"]:
        """`batch`, whose gradient is that of what the networks give: for squared errors.

        The softplus of a network that expects next to nothing is flat: squared, an error there
        would change as little as the softplus does, and what was once thought harmless could
        never be learnt to cost (`docs/decisions.md`, G30). An error that counts in full makes the
        square the matching loss of the softplus, of which the expected cost is the minimum, too.
        """
        outputs = self._outputs(observations, actions)
        slope = outputs - jax.lax.stop_gradient(outputs)  # zero, with the gradient of the outputs
        return jax.lax.stop_gradient(self._values(outputs)) + slope

    def _outputs(self, observations, actions):
        many = self.inputs.batch if isinstance(self.inputs, ReadInputs) else jax.vmap(self._read)
        given = jnp.concatenate([many(observations), actions], axis=1)
        return eqx.filter_vmap(lambda critic: jax.vmap(critic)(given)[:, 0])(self.members)

    def _read(self, vector):
        return vector if self.inputs is None else self.inputs(vector)

    def _values(self, outputs):
        costs = self._expected(outputs[REWARD_CRITICS:])
        return jnp.concatenate([outputs[:REWARD_CRITICS], costs])

    def __call__(
        self, observation: Observation, action: Float[Array, " a"]
    ) -> Float[Array, " critics"]:
        """The values of one observation and action."""
        return self.batch(observation_vector(observation)[None], action[None])[:, 0]

    def costs(
        self, observation: Observation, action: Float[Array, " a"], *, pessimism: float = 0.0
    ) -> Float[Array, " costs"]:
        """The expected discounted sum of each cost from here on: what its critics say on average,
        and `pessimism` times the standard deviation of what they say.
        """
        each = self.every_cost(observation, action)
        return self.agreed(each) + pessimism * self.doubt(each) if pessimism else self.agreed(each)

    def agreed(self, values: Float[Array, "members ..."]) -> Float[Array, "costs ..."]:
        """What the critics of each cost say on average, from what each of them says."""
        return values if self.cost_critics == 1 else self._apart(values).mean(axis=1)

    def doubt(self, values: Float[Array, "members ..."]) -> Float[Array, "costs ..."]:
        """How far the critics of each cost lie apart: their population standard deviation."""
        return self._apart(values).std(axis=1)

    def _apart(self, values: Float[Array, "members ..."]) -> Float[Array, "costs critics ..."]:
        return values.reshape(-1, self.cost_critics, *values.shape[1:])

    def every_cost(
        self, observation: Observation, action: Float[Array, " a"]
    ) -> Float[Array, " members"]:
        """What each cost critic says, those of one cost one after another."""
        critics = jax.tree.map(lambda leaf: leaf[REWARD_CRITICS:], self.members)
        given = jnp.concatenate([self._read(observation_vector(observation)), action])
        return self._expected(eqx.filter_vmap(lambda critic: critic(given)[0])(critics))

    def _expected(self, outputs: Float[Array, "costs ..."]) -> Float[Array, "costs ..."]:
        """Costs from what their networks give."""
        return jax.nn.softplus(outputs) if self.cost_critic == "positive" else outputs

    def cost(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, ""]:
        """The highest of `costs`, on their common scale: what a trigger may look at."""
        return jnp.max(self.costs(observation, action))


class OnVectors(eqx.Module):
    """A policy that reads vectors, made to read observations as the environment emits them.

    `view` maps them first: a guide sees the target's observations through Ξ.
    """

    policy: GaussianPolicy
    view: Callable[[Observation], Observation] | None = None

    def __call__(self, observation: Observation) -> SquashedGaussian:
        seen = observation if self.view is None else self.view(observation)
        return self.policy(observation_vector(seen))


class Sampled(eqx.Module):
    """Acts by sampling: `act` of `interventions.substitutes.Policy`, with the pre-squash action."""

    distribution: Distribution

    def __call__(
        self, observation: Observation, key: Key[Array, ""]
    ) -> tuple[Float[Array, " a"], dict[str, Array]]:
        """A random action and its pre-squash value."""
        pre_squash = self.distribution(observation).sample(key=key)
        return jnp.tanh(pre_squash), {"pre_squash": pre_squash}


def acted_on(
    actor: GaussianPolicy, observations: Shaped[Array, "batch n"], noise: Float[Array, "batch a"]
) -> tuple[Float[Array, "batch a"], Float[Array, " batch"]]:
    """An action in every observation, from standard normal numbers, with its log-density."""
    policies = actor.batch(observations)
    pre_squash = jax.vmap(SquashedGaussian.pre_squash)(policies, noise)
    return jnp.tanh(pre_squash), jax.vmap(SquashedGaussian.log_prob)(policies, pre_squash)
