"""From settings to what learns."""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import optax

from handrail.core.errors import HandrailError
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.operators import AdvantageLearning, DoubleQ, MaxQ
from handrail.learners.q.values import AbstractValues
from handrail.learners.representation.agent import RepresentationAgent
from handrail.learners.representation.autoencoder import (
    AbstractVariant,
    AutoencoderLearner,
    Contrastive,
    InfoNCE,
    Vanilla,
    Variational,
)
from handrail.learners.representation.latent_agent import LatentAgent
from handrail.methods.contrastive.inputs import PIXELS, AbstractInputs
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import EncoderSettings, QLearning, StudentSettings
from handrail.networks.autoencoder import Autoencoder, MLPDecoder, MLPEncoder, VariationalEncoder
from handrail.networks.mlp import MLP
from handrail.networks.pixels import PixelDecoder, PixelEncoder
from handrail.replay.prioritized import Prioritized
from handrail.replay.ring import Ring

LATENT, HIDDEN = 50, (256,)  # of the students that learn on an auto-encoder's latent


def q_agent(
    learning: QLearning,
    inputs: AbstractInputs,
    values: AbstractValues,
    network: Callable,
    actions: int,
) -> QAgent:
    """The Q-learning agent that the settings describe."""
    operators = {
        "double": DoubleQ(),
        "max": MaxQ(),
        "advantage": AdvantageLearning(learning.advantage),
    }
    replay = (
        Prioritized(learning.replay, alpha=learning.priority_exponent)
        if learning.prioritized
        else Ring(learning.replay)
    )
    return QAgent(
        loss=TDLoss(values, operators[learning.operator], learning.discount),
        make_network=network,
        optimizer=_adam(learning.learning_rate),
        replay=replay,
        exploration=Exploration(end=learning.epsilon_end, fraction=learning.epsilon_fraction),
        actions=actions,
        train_every=learning.train_every,
        batch=learning.batch,
        target_every=learning.target_every,
        learning_starts=learning.learning_starts,
        novelty=inputs.novelty(learning.novelty) if learning.novelty else None,
    )


# one object for equal rates: programs of several runs tell functions apart by identity
_adam = functools.cache(optax.adam)


def q_learner(problem: DiscreteProblem, learning: QLearning) -> QAgent:
    """Deep Q-learning on the observations of a problem."""
    network = problem.inputs.q_network(learning.hidden, problem.actions)
    return q_agent(learning, problem.inputs, problem.inputs.values(), network, problem.actions)


def latent_learner(
    problem: DiscreteProblem, settings: StudentSettings, *, variational: bool
) -> LatentAgent:
    """Q-learning on the latent of an auto-encoder: DQN + vanilla AE, or DQN + VAE."""
    learning, inputs, actions = settings.learning, problem.inputs, problem.actions
    if learning.novelty:
        raise HandrailError(
            f"learning.novelty is {learning.novelty:g}: agents on an auto-encoder's latent have no "
            "such bonus; set it to 0 or take another method"
        )
    values = inputs.latent_values(sampled=variational)
    return LatentAgent(
        acting=q_agent(learning, inputs, values, lambda key: None, actions),
        autoencoder=AutoencoderLearner(
            make=partial(autoencoder, inputs.shape, LATENT, HIDDEN, variational=variational),
            loss=Variational() if variational else Vanilla(),
        ),
        make_head=partial(MLP, (LATENT, *learning.hidden, actions)),
        encoder_input=inputs.encoder_input(),
        seen=Ring(100_000),
        updates=_rounds(learning, 5),
        learning_starts=min(1_000, learning.learning_starts),
    )


def representation_learner(
    problem: DiscreteProblem, settings: EncoderSettings
) -> RepresentationAgent:
    """An agent that acts, and an auto-encoder that learns from what it sees."""
    acting = q_learner(problem, settings.acting)
    make = partial(
        autoencoder, problem.inputs.shape, settings.latent, settings.hidden,
        variational=settings.loss == "vae",
    )  # fmt: skip
    return RepresentationAgent(
        acting=acting,
        autoencoder=AutoencoderLearner(make=make, loss=_variant(settings)),
        show=problem.inputs.encoder_input(),
        seen=Ring(50_000),
        unsafe=Ring(50_000),
        updates=_rounds(settings.acting, settings.train_every),
        batch=settings.batch,
    )


def autoencoder(
    shape: tuple[int, ...],
    latent: int,
    hidden: tuple[int, ...],
    *,
    variational: bool,
    key: Any,
) -> Autoencoder:
    """Encoder and decoder for inputs of this shape."""
    first, second, third = jax.random.split(key, 3)
    if tuple(shape) == PIXELS:
        encoder, decoder = PixelEncoder(latent, key=first), PixelDecoder(latent, key=second)
    else:
        encoder = MLPEncoder((*shape, *hidden, latent), key=first)
        decoder = MLPDecoder((latent, *reversed(hidden), *shape), key=second)
    if variational:
        return Autoencoder(VariationalEncoder(encoder, latent, key=third), decoder)
    return Autoencoder(encoder, decoder)


def _rounds(acting: QLearning, every: int) -> int:
    """Updates of an auto-encoder in a block of the agent that acts: one `every` so many steps."""
    return max(acting.train_every // every, 1)


def _variant(settings: EncoderSettings) -> AbstractVariant:
    return {
        "contrastive": Contrastive(settings.contrastive_margin, settings.coefficient),
        "vanilla": Vanilla(),
        "vae": Variational(),
        "infonce": InfoNCE(coef=settings.coefficient),
    }[settings.loss]
