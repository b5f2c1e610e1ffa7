"""From settings to what learns."""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import optax

from handrail.core.errors import HandrailError
from handrail.learners.base import AbstractAgent
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
from handrail.learners.stored import TakeoverEnds
from handrail.methods.contrastive.built import EncoderNetwork, QNetwork
from handrail.methods.contrastive.inputs import AbstractInputs
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import (
    EncoderSettings,
    QLearning,
    RepresentationSettings,
    StudentSettings,
)
from handrail.networks.mlp import MLP
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
    frames = inputs.frame_memory(learning.replay)
    replay = (
        Prioritized(learning.replay, alpha=learning.priority_exponent, frames=frames)
        if learning.prioritized
        else frames or Ring(learning.replay)
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
        stored=(TakeoverEnds(cost=1.0),) if learning.takeover_ends else (),
    )


# one object for equal rates: programs of several runs tell functions apart by identity
_adam = functools.cache(optax.adam)


def q_learner(problem: DiscreteProblem, learning: QLearning) -> QAgent:
    """Deep Q-learning on the observations of a problem."""
    network = problem.inputs.q_network(QNetwork.of(learning), problem.actions)
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
    if learning.takeover_ends:
        raise HandrailError(
            "learning.takeover_ends is true, but agents on an auto-encoder's latent keep every "
            "step as it was; leave it off or take another method"
        )
    if learning.normalise_observations:
        raise HandrailError(
            "learning.normalise_observations is true, but agents on an auto-encoder's latent do "
            "not standardise: leave it off or take another method"
        )
    values = inputs.latent_values(sampled=variational)
    built = EncoderNetwork(LATENT, HIDDEN, variational=variational)
    return LatentAgent(
        acting=q_agent(learning, inputs, values, lambda key: None, actions),
        autoencoder=AutoencoderLearner(
            make=partial(inputs.autoencoder, built),
            loss=Variational() if variational else Vanilla(),
        ),
        make_head=partial(MLP, (LATENT, *learning.hidden, actions)),
        encoder_input=inputs.encoder_input(),
        seen=Ring(inputs.remembered(100_000, learning.replay)),
        updates=_rounds(learning, 5),
        learning_starts=min(1_000, learning.learning_starts),
    )


def representation_learner(
    problem: DiscreteProblem, settings: EncoderSettings
) -> RepresentationAgent:
    """An agent that acts, and an auto-encoder that learns from what it sees."""
    acting = q_learner(problem, settings.acting)
    remembered = problem.inputs.remembered(50_000, settings.acting.replay)
    return learner_beside(acting, problem.inputs, settings, remembered)


def learner_beside(
    acting: AbstractAgent,
    inputs: AbstractInputs,
    settings: RepresentationSettings,
    remembered: int,
    **options: Any,
) -> RepresentationAgent:
    """Acts as another agent does; an auto-encoder learns from the last observations, `remembered`
    of each label, from step 1,000 on, in short runs after a tenth. Options as of
    `RepresentationAgent`.
    """
    make = partial(inputs.autoencoder, EncoderNetwork.of(settings))
    return RepresentationAgent(
        acting=acting,
        autoencoder=AutoencoderLearner(
            make=make, loss=_variant(settings), learning_rate=settings.learning_rate
        ),
        show=inputs.encoder_input(),
        seen=Ring(remembered),
        unsafe=Ring(remembered),
        updates=_rounds(acting, settings.train_every),
        batch=settings.batch,
        learning_starts=max(
            acting.train_every, min(RepresentationAgent.learning_starts, settings.steps // 10)
        ),
        **options,
    )


def _rounds(acting: Any, every: int) -> int:
    """Updates of an auto-encoder in a block of the agent that acts: one `every` so many steps."""
    return max(acting.train_every // every, 1)


def _variant(settings: RepresentationSettings) -> AbstractVariant:
    return {
        "contrastive": Contrastive(settings.contrastive_margin, settings.coefficient),
        "vanilla": Vanilla(),
        "vae": Variational(),
        "infonce": InfoNCE(coef=settings.coefficient),
    }[settings.loss]
