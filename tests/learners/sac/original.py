"""Recorded parameters and batches of the original scripts as handrail's values."""

import equinox as eqx
import jax
import jax.numpy as jnp

from handrail.core.types import Transition
from handrail.equations.distillation import authors_distillation
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import CriticEnsemble
from handrail.learners.sac.state import SacParameters, SacState

CRITICS = ("qr1", "qr2", "qc")
LAYERS = ("dense", "dense_1", "dense_2")
# The learner that each script is, given its cost limit per episode
GUIDE = SacLagrangian(cost_limit=20.0, entropy=FixedEntropy(1.0))
STUDENT = SacLagrangian(cost_limit=25.0, distillation=authors_distillation())
LEARNERS = {"train-guide": GUIDE, "sagui-cs": STUDENT}


def actor_arrays(actor):
    """The actor's arrays, with the names that the original gives them."""
    layers = {**dict(zip(LAYERS, actor.trunk, strict=False)), "dense_2": actor.mean}
    layers["dense_3"] = actor.log_std
    return {
        f"main/pi/{layer}/{kind}": getattr(layers[layer], {"kernel": "weight"}.get(kind, kind))
        for layer in layers
        for kind in ("kernel", "bias")
    }


def critic_arrays(critics, scope):
    """The critics' arrays, one by one, with the names that the original gives them."""
    return {
        f"{scope}/{critic}/{name}/{kind}": getattr(layer, {"kernel": "weight"}.get(kind, kind))[i]
        for i, critic in enumerate(CRITICS)
        for name, layer in zip(LAYERS, critics.members.layers, strict=True)
        for kind in ("kernel", "bias")
    }


def named(parameters, targets=None):
    """All arrays by the original's names, kernels in the original's orientation (in, out)."""
    arrays = actor_arrays(parameters.actor) | critic_arrays(parameters.critics, "main")
    if targets is not None:
        arrays |= critic_arrays(targets, "target")
    arrays = {n: a.T if n.endswith("kernel") else a for n, a in arrays.items()}
    return arrays | {
        "entreg/soft_alpha": parameters.entropy, "costpen/soft_beta": parameters.multiplier
    }  # fmt: skip


def networks(learner, hidden, recorded, *, dtype):
    """A learner's state with the recorded parameters; `recorded` maps the original's names."""
    observation, action = recorded["main/pi/dense/kernel"].shape[0], 2
    state = learner.init(observation, action, hidden, key=jax.random.key(0))

    def array(name):
        value = jnp.asarray(recorded[name], dtype)
        return value.T if name.endswith("kernel") else value

    def stacked(scope):
        def leaf(layer, kind):
            return jnp.stack([array(f"{scope}/{c}/{layer}/{kind}") for c in CRITICS])

        return [leaf(layer, kind) for layer in LAYERS for kind in ("kernel", "bias")]

    def leaves(critics: CriticEnsemble):
        return [x for layer in critics.members.layers for x in (layer.weight, layer.bias)]

    def values(tree, get, new):
        return eqx.tree_at(get, tree, new)

    actor = values(
        state.parameters.actor,
        lambda a: list(actor_arrays(a).values()),
        [array(name) for name in actor_arrays(state.parameters.actor)],
    )
    critics = values(state.parameters.critics, leaves, stacked("main"))
    scalars = (
        jnp.asarray(recorded.get(name, 0.0), dtype)
        for name in ("entreg/soft_alpha", "costpen/soft_beta")
    )
    parameters = SacParameters(actor, critics, *scalars)
    targets = values(critics, leaves, stacked("target"))
    return SacState(parameters, targets, learner.adam.init(parameters))


def transitions(*, obs, act, rew, obs2, done, cost, rew1=None, rho=None, dtype, intervened=None):
    """A batch as the original's buffers name it."""

    def array(x):
        return jnp.asarray(x, dtype)

    count = act.shape[0]
    fields = {
        "observation": array(obs),
        "proposed": array(act),
        "action": array(act),
        "reward": array(rew),
        "cost": array(cost),
        "next_observation": array(obs2),
        "terminated": jnp.asarray(done) > 0.5,
        "truncated": jnp.zeros(count, bool),
        "intervened": jnp.zeros(count, bool) if intervened is None else jnp.asarray(intervened),
        "weight": jnp.ones(count, dtype) if rho is None else array(rho),
        "extras": {} if rew1 is None else {"guide_log_prob": array(rew1)},
    }
    return jax.vmap(lambda one: Transition(**one))(fields)
