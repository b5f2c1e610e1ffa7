"""The policy of on-policy methods: what of it is learnt, and how far two of them are apart.

It is a `GaussianPolicy` whose deviations do not depend on the observation, as published. The squash
is the same for the new and the old policy, so neither ratios nor divergences see it.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.learners.onpolicy.batch import Experience
from handrail.networks.gaussian import GaussianPolicy, SquashedGaussian, gaussian_log_prob
from handrail.networks.inputs import ScaledInputs


def first_policy(
    observation: int,
    action: int,
    hidden: tuple[int, ...],
    *,
    log_std: float,
    inputs: ScaledInputs | None,
    key: Key[Array, ""],
) -> GaussianPolicy:
    """Fresh, with this logarithm of the deviation everywhere."""
    policy = GaussianPolicy(observation, action, hidden, inputs=inputs, key=key)
    head = policy.log_std
    constant = jnp.zeros_like(head.weight), jnp.full_like(head.bias, log_std)
    return eqx.tree_at(lambda p: (p.log_std.weight, p.log_std.bias), policy, constant)


def learnt_part(policy: GaussianPolicy) -> tuple[GaussianPolicy, GaussianPolicy]:
    """What updates change, and the rest; `eqx.combine` puts them together."""
    everything = jax.tree.map(eqx.is_array, policy)
    return eqx.partition(policy, eqx.tree_at(lambda p: p.log_std.weight, everything, False))


def log_ratio(
    new: SquashedGaussian, old: SquashedGaussian, pre_squash: Float[Array, " action"]
) -> Float[Array, ""]:
    """log π_new(a) − log π_old(a)."""
    return gaussian_log_prob(pre_squash, new.mean, new.log_std) - gaussian_log_prob(
        pre_squash, old.mean, old.log_std
    )


def divergence(new: SquashedGaussian, old: SquashedGaussian) -> Float[Array, ""]:
    """KL(π_new ‖ π_old) in nats, as the trust region of CPO has it."""
    distance = (new.mean - old.mean) ** 2 + jnp.exp(2 * new.log_std)
    spread = old.log_std - new.log_std
    return jnp.sum(spread + 0.5 * (distance * jnp.exp(-2 * old.log_std) - 1))


def mean_divergence(policy: GaussianPolicy, experience: Experience) -> Float[Array, ""]:
    """The mean over the observations of a batch."""
    new = jax.vmap(policy)(experience.observations)
    return jnp.mean(jax.vmap(divergence)(new, experience.old))


def ratios(policy: GaussianPolicy, experience: Experience) -> Float[Array, " batch"]:
    """ρ of every action of a batch: its density under this policy over that under the old one."""
    new = jax.vmap(policy)(experience.observations)
    return jnp.exp(jax.vmap(log_ratio)(new, experience.old, experience.pre_squash))
