"""How a policy is improved on its last batch: CPO, and PPO or TRPO with a Lagrange multiplier."""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.rng import stream
from handrail.equations.advantages import clipped_surrogate, penalised_advantage
from handrail.learners.onpolicy.batch import Experience
from handrail.learners.onpolicy.minibatches import one_pass
from handrail.learners.onpolicy.multiplier import Multiplier, MultiplierState
from handrail.learners.onpolicy.policy import divergence, learnt_part, mean_divergence, ratios
from handrail.learners.onpolicy.trust_region import Surrogates, TrustRegion
from handrail.networks.gaussian import GaussianPolicy, SquashedGaussian, gaussian_log_prob

Scalar = Float[Array, ""]
Metrics = dict[str, Scalar]
_LOG_2PI_E = math.log(2 * math.pi) + 1


class AbstractPolicyUpdate(eqx.Module):
    """Improves a policy on one batch of its own steps."""

    metrics: eqx.AbstractVar[tuple[str, ...]]  # the names of what it reports

    @abc.abstractmethod
    def init(self, policy: GaussianPolicy) -> PyTree:
        """What it carries from batch to batch."""

    @abc.abstractmethod
    def __call__(
        self, policy: GaussianPolicy, state: PyTree, experience: Experience, *, key: Key[Array, ""]
    ) -> tuple[GaussianPolicy, PyTree, Metrics]:
        """The next policy."""


def _step(
    region: TrustRegion, policy: GaussianPolicy, experience: Experience, excess: Scalar
) -> tuple[GaussianPolicy, Metrics]:
    learnt, rest = learnt_part(policy)
    start, unravel = ravel_pytree(learnt)

    def judge(parameters: Array) -> Surrogates:
        new = eqx.combine(unravel(parameters), rest)
        weights = ratios(new, experience)
        return Surrogates(
            jnp.mean(weights * experience.reward_advantages),
            jnp.mean(weights * experience.cost_advantages),
            mean_divergence(new, experience),
        )

    after, report = region.step(judge, start, excess)
    return eqx.combine(unravel(after), rest), {
        "onpolicy/kl": report.divergence,
        "onpolicy/accepted": report.accepted.astype(start.dtype),
        "onpolicy/tries": report.tries,
        "onpolicy/recovers": report.recovers.astype(start.dtype),
    }


class Cpo(AbstractPolicyUpdate):
    """Constrained policy optimisation (arXiv:1705.10528): no multiplier is learnt."""

    region: TrustRegion = TrustRegion()
    metrics: tuple[str, ...] = eqx.field(
        default=("onpolicy/kl", "onpolicy/accepted", "onpolicy/tries", "onpolicy/recovers"),
        static=True,
    )

    def init(self, policy: GaussianPolicy) -> PyTree:
        return ()

    def __call__(
        self, policy: GaussianPolicy, state: PyTree, experience: Experience, *, key: Key[Array, ""]
    ) -> tuple[GaussianPolicy, PyTree, Metrics]:
        policy, metrics = _step(self.region, policy, experience, experience.excess.of_step)
        return policy, state, metrics


def _priced(experience: Experience, multiplier: Scalar) -> Float[Array, " batch"]:
    each = jax.vmap(penalised_advantage, in_axes=(0, 0, None))
    return each(experience.reward_advantages, experience.cost_advantages, multiplier)


class TrpoLagrangian(AbstractPolicyUpdate):
    """CPO's step for the priced advantage, without a constraint."""

    region: TrustRegion = TrustRegion()
    multiplier: Multiplier = Multiplier()
    metrics: tuple[str, ...] = eqx.field(
        default=("onpolicy/kl", "onpolicy/accepted", "onpolicy/tries", "onpolicy/multiplier"),
        static=True,
    )

    def init(self, policy: GaussianPolicy) -> MultiplierState:
        return self.multiplier.init()

    def __call__(
        self,
        policy: GaussianPolicy,
        state: MultiplierState,
        experience: Experience,
        *,
        key: Key[Array, ""],
    ) -> tuple[GaussianPolicy, MultiplierState, Metrics]:
        state = self.multiplier.update(state, experience.excess.of_episode)
        free = eqx.tree_at(
            lambda e: (e.reward_advantages, e.cost_advantages),
            experience,
            (_priced(experience, state.multiplier), jnp.zeros_like(experience.cost_advantages)),
        )
        # nothing costs and there is room: the step is that of TRPO
        policy, metrics = _step(self.region, policy, free, -jnp.ones(()))
        metrics = {name: value for name, value in metrics.items() if name in self.metrics}
        return policy, state, metrics | {"onpolicy/multiplier": state.multiplier}


class PpoState(eqx.Module):
    """What PPO-Lagrangian carries from batch to batch."""

    multiplier: MultiplierState
    adam: PyTree


def ppo_loss(
    new: SquashedGaussian,
    pre_squash: Float[Array, " a"],
    old_log_prob: Scalar,
    advantage: Scalar,
    *,
    clip: float,
    entropy_weight: float,
) -> Scalar:
    """−min(ρA, clip(ρ)A) − weight · entropy of one step; the entropy is the mean over the numbers
    of an action. Both densities are those before the squash.
    """
    ratio = jnp.exp(gaussian_log_prob(pre_squash, new.mean, new.log_std) - old_log_prob)
    entropy = jnp.mean(new.log_std) + 0.5 * _LOG_2PI_E
    return -clipped_surrogate(ratio, advantage, clip=clip) - entropy_weight * entropy


class PpoLagrangian(AbstractPolicyUpdate):
    """Passes of Adam on the clipped surrogate of the priced advantage, until it has moved enough.

    Attributes:
        passes: over the batch, at most.
        minibatch: steps of an update.
        rate: step size of Adam.
        clip: how far ratios may gain, ε.
        furthest: no further pass once the mean KL divergence from the old policy exceeds this.
        entropy_weight: of the entropy bonus.
    """

    multiplier: Multiplier = Multiplier()
    passes: int = eqx.field(default=40, static=True)
    minibatch: int = eqx.field(default=64, static=True)
    rate: float = eqx.field(default=3e-4, static=True)
    clip: float = eqx.field(default=0.2, static=True)
    furthest: float = eqx.field(default=0.02, static=True)
    entropy_weight: float = eqx.field(default=0.0, static=True)
    metrics: tuple[str, ...] = eqx.field(
        default=("onpolicy/kl", "onpolicy/passes", "onpolicy/multiplier"), static=True
    )

    def init(self, policy: GaussianPolicy) -> PpoState:
        learnt: Any = learnt_part(policy)[0]
        return PpoState(self.multiplier.init(), optax.adam(self.rate).init(learnt))

    def __call__(
        self,
        policy: GaussianPolicy,
        state: PpoState,
        experience: Experience,
        *,
        key: Key[Array, ""],
    ) -> tuple[GaussianPolicy, PpoState, Metrics]:
        price = self.multiplier.update(state.multiplier, experience.excess.of_episode)
        learnt, rest = learnt_part(policy)
        old = experience.old
        rows = (
            experience.observations, experience.pre_squash,
            jax.vmap(gaussian_log_prob)(experience.pre_squash, old.mean, old.log_std),
            _priced(experience, price.multiplier),
        )  # fmt: skip

        def loss(learnt: PyTree, rows: Any) -> Scalar:
            observations, *others = rows
            new = jax.vmap(eqx.combine(learnt, rest))(observations)
            each = jax.vmap(
                lambda *row: ppo_loss(*row, clip=self.clip, entropy_weight=self.entropy_weight)
            )
            return jnp.mean(each(new, *others))

        def moved(learnt: PyTree) -> Scalar:
            new = jax.vmap(eqx.combine(learnt, rest))(experience.observations)
            return jnp.mean(jax.vmap(divergence)(old, new))

        def another(carry):
            done, learnt, adam, _ = carry
            learnt, adam, _ = one_pass(
                loss, optax.adam(self.rate), learnt, adam, rows,
                minibatch=self.minibatch, key=stream(key, "pass", done),
            )  # fmt: skip
            return done + 1, learnt, adam, moved(learnt)

        done, learnt, adam, distance = jax.lax.while_loop(
            lambda carry: (carry[0] < self.passes) & ~(carry[3] > self.furthest),
            another,
            (jnp.int32(0), learnt, state.adam, jnp.zeros(())),
        )
        return eqx.combine(learnt, rest), PpoState(price, adam), {
            "onpolicy/kl": distance,
            "onpolicy/passes": done.astype(jnp.float32),
            "onpolicy/multiplier": price.multiplier,
        }  # fmt: skip
