"""Priors and encoders out of files, for environments with discrete actions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Array, Float

from handrail.api.knowledge import encoder_of_world, prior_of_world
from handrail.envs.gymnasium.building import host_of
from handrail.envs.lava.environment import LavaEnvironment
from handrail.knowledge.catalog import located
from handrail.methods.contrastive.artefacts import prior_values, read_encoder, read_prior
from handrail.methods.contrastive.on_host import inputs_of
from handrail.methods.contrastive.own_problems import problem_of


def load_prior(
    path: Path | str, environment: Any, *, parts: Sequence[str] | None = None
) -> Callable[[Any], Float[Array, " actions"]]:
    """The prior of a file, for `domain_prior` and others, if it fits this Gymnasium environment.

    Of an ensemble its `PessimisticAdvantages`, without pessimism.
    A lava world of `handrail.make` also takes the name of one that ships, such as `lava`.
    """
    path = located("prior", path)
    if isinstance(environment, LavaEnvironment):
        return prior_of_world(path, environment)
    problem = problem_of(host_of(environment, parts=parts))
    network = read_prior(path, problem.inputs, problem.actions)
    return prior_values(problem.inputs, network)


def load_encoder(
    path: Path | str, environment: Any, *, parts: Sequence[str] | None = None
) -> tuple[Callable[[Any], Float[Array, " latent"]], Float[Array, "known latent"]]:
    """The embedding of a file and the unsafe ones that came with it: the arguments of `NearUnsafe`.

    A lava world of `handrail.make` also takes the name of one that ships, such as `lava`. Raises
    `HandrailError` where it does not fit this environment.
    """
    path = located("encoder", path)
    if isinstance(environment, LavaEnvironment):
        return encoder_of_world(path, environment)
    host = host_of(environment, parts=parts)
    inputs = inputs_of(host, host.observation_zeros())
    embedding = read_encoder(path, inputs)
    return inputs.frozen_embedding(embedding.encoder), embedding.unsafe
