"""A Gaussian policy squashed by tanh into (−1, 1), with its log-density in a stable form.

The pre-squash value u is kept beside the action tanh(u): log-densities are computed from u,
because arctanh of a float32 action near ±1 has lost it.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from handrail.core.errors import HandrailError
from handrail.networks.initialisers import glorot_uniform
from handrail.networks.inputs import ScaledInputs
from handrail.networks.mlp import Linear
from handrail.networks.reading import Reading, ReadInputs, with_inputs

Inputs = ScaledInputs | Reading | None
"""What fresh networks are to read of an observation's vector, if not the vector."""
LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
_STD_FLOOR = 1e-8  # keeps the standardised distance finite at the smallest deviation
_LOG_2PI = math.log(2 * math.pi)
_LOG_2 = math.log(2)


def gaussian_log_prob(
    value: Float[Array, " action"], mean: Float[Array, " action"], log_std: Float[Array, " action"]
) -> Float[Array, ""]:
    """Log-density of a diagonal Gaussian; the deviation is floored by 1e-8 in the distance only."""
    distance = (value - mean) / (jnp.exp(log_std) + _STD_FLOOR)
    return jnp.sum(-0.5 * (distance**2 + 2 * log_std + _LOG_2PI))


def log_squash_slope(pre_squash: Float[Array, " action"]) -> Float[Array, ""]:
    """log |d tanh(u)/du|, summed: 2 (log 2 − u − softplus(−2u)), finite for every finite u."""
    return jnp.sum(2 * (_LOG_2 - pre_squash - jax.nn.softplus(-2 * pre_squash)))


class SquashedGaussian(eqx.Module):
    """The distribution of tanh(u), u ~ N(mean, exp(log_std)²), of one observation."""

    mean: Float[Array, " action"]
    log_std: Float[Array, " action"]

    def pre_squash(self, noise: Float[Array, " action"]) -> Float[Array, " action"]:
        """u for standard normal `noise`; the action is tanh(u)."""
        return self.mean + noise * jnp.exp(self.log_std)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " action"]:
        """u of a random action; the action is tanh(u)."""
        return self.pre_squash(jax.random.normal(key, self.mean.shape, self.mean.dtype))

    def mode(self) -> Float[Array, " action"]:
        """The deterministic action, tanh(mean)."""
        return jnp.tanh(self.mean)

    def log_prob(self, pre_squash: Float[Array, " action"]) -> Float[Array, ""]:
        """Log-density (nats) of the action tanh(u), given u."""
        gaussian = gaussian_log_prob(pre_squash, self.mean, self.log_std)
        return gaussian - log_squash_slope(pre_squash)


class GaussianPolicy(eqx.Module):
    """Observation vector → `SquashedGaussian`: a ReLU trunk and one affine head for each of mean
    and log-deviation, the latter clipped to [−20, 2]. `inputs`, if any, is what the trunk reads.
    """

    trunk: tuple[Linear, ...]
    mean: Linear
    log_std: Linear
    inputs: ScaledInputs | ReadInputs | None

    def __init__(
        self,
        observation: int,
        action: int,
        hidden: tuple[int, ...],
        *,
        inputs: Inputs = None,
        key: Key[Array, ""],
    ):
        """Fresh layers for vectors of `observation` and `action` numbers."""
        inputs, observation = with_inputs(inputs, observation, key=key)
        sizes = (observation, *hidden)
        if min(*sizes, action) < 1:
            raise HandrailError(
                f"policy with sizes {sizes} and {action} actions: expected positive widths, such "
                "as observation 60, hidden (256, 256), action 2"
            )
        *trunk_keys, mean_key, log_std_key = jax.random.split(key, len(hidden) + 2)
        self.trunk = tuple(
            Linear(inputs, outputs, init=glorot_uniform, key=layer_key)
            for inputs, outputs, layer_key in zip(sizes[:-1], hidden, trunk_keys, strict=True)
        )
        self.mean = Linear(sizes[-1], action, init=glorot_uniform, key=mean_key)
        self.log_std = Linear(sizes[-1], action, init=glorot_uniform, key=log_std_key)
        self.inputs = inputs

    def __call__(self, observation: Shaped[Array, " observation"]) -> SquashedGaussian:
        return self._of(observation if self.inputs is None else self.inputs(observation))

    def batch(self, observations: Shaped[Array, "batch observation"]) -> SquashedGaussian:
        """The distributions of a batch, with a leading axis; equals `vmap(self)`."""
        if not isinstance(self.inputs, ReadInputs):
            return jax.vmap(self)(observations)
        return jax.vmap(self._of)(self.inputs.batch(observations))

    def _of(self, hidden: Float[Array, " read"]) -> SquashedGaussian:
        for layer in self.trunk:
            hidden = jax.nn.relu(layer(hidden))
        log_std = jnp.clip(self.log_std(hidden), LOG_STD_MIN, LOG_STD_MAX)
        return SquashedGaussian(self.mean(hidden), log_std)
