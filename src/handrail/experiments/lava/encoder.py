"""Acquiring the encoder: which states are near danger, learnt while an agent acts."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from handrail.arguments import checked
from handrail.artifact import Card, fill, load, named_arrays, save, widths
from handrail.envs.base import FiniteObservations
from handrail.envs.lava.environment import LavaEnvironment
from handrail.errors import HandrailError
from handrail.experiments.lava.build import (
    MOST_TABULATED,
    PIXELS,
    evaluation,
    on_every_row,
    q_agent,
    q_network,
)
from handrail.experiments.lava.knowledge_settings import EncoderSettings
from handrail.experiments.lava.prior import source_environment
from handrail.experiments.lava.settings import LavaRun
from handrail.interventions.recipes import none
from handrail.learners.autoencoder import (
    AbstractVariant,
    AutoencoderLearner,
    Contrastive,
    InfoNCE,
    Vanilla,
    Variational,
)
from handrail.learners.latent_agent import LatentAgent, SampledLatents
from handrail.learners.representation_agent import Frames, RepresentationAgent, RepresentationState
from handrail.learners.values import Gathered, OnFrames, Tabulated
from handrail.networks.autoencoder import (
    Autoencoder,
    MLPDecoder,
    MLPEncoder,
    VariationalEncoder,
)
from handrail.networks.mlp import MLP
from handrail.networks.pixels import PixelDecoder, PixelEncoder
from handrail.recorded import stable
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop, RunState
from handrail.train.run import execute

KNOWN = 100  # unsafe embeddings that travel with an encoder
LATENT, HIDDEN = 50, (256,)


def autoencoder(
    shape: tuple[int, ...],
    latent: int,
    hidden: tuple[int, ...],
    *,
    variational: bool,
    key: Any,
) -> Autoencoder:
    """Encoder and decoder for frames of this shape."""
    first, second, third = jax.random.split(key, 3)
    if tuple(shape) == PIXELS:
        encoder, decoder = PixelEncoder(latent, key=first), PixelDecoder(latent, key=second)
    else:
        encoder = MLPEncoder((*shape, *hidden, latent), key=first)
        decoder = MLPDecoder((latent, *reversed(hidden), *shape), key=second)
    if variational:
        return Autoencoder(VariationalEncoder(encoder, latent, key=third), decoder)
    return Autoencoder(encoder, decoder)


def acquire_encoder(settings: EncoderSettings, folder: Path, report: Callable[..., None]) -> Path:
    """Trains the encoder inside `folder`; returns its file. `report(name, step, total)`."""
    path = folder / "encoder.safetensors"
    if path.exists():
        return path
    settings = checked(settings)
    environment = source_environment(
        settings.environment, settings.view, "many", settings.pool, settings.seed,
        starts=settings.starts,
    )  # fmt: skip
    agent = _representation_agent(settings, environment)
    loop = Loop(environment, agent, none(), settings.steps)

    def keep(state: RunState) -> dict[str, Any]:
        _save(path, settings, environment, agent, state.agent)
        return {}

    execute(
        loop,
        folder / "training",
        {"purpose": "encoder", **stable(settings)},
        seed=settings.seed,
        summarise=keep,
        report=lambda step, _: report("encoder", step, settings.steps),
    )
    return path


def load_encoder(
    path: Path, view: str, frames: np.ndarray
) -> tuple[Any, Float[Array, "known latent"]]:
    """The encoder, if it fits frames of this view, and the unsafe embeddings it brings along."""
    shape = frames.shape[1:]
    card, arrays = load(path, expect="encoder", spec={"view": view, "shape": list(shape)})
    known = known_of(arrays, source=str(path))
    template = autoencoder(
        shape,
        known.shape[-1],
        widths(card, "hidden", source=str(path)),
        variational=bool(card.network.get("variational")),
        key=jax.random.key(0),
    ).encoder
    return fill(template, arrays, source=str(path)), known


def known_of(arrays: dict[str, np.ndarray], *, source: str) -> Float[Array, "known latent"]:
    """The unsafe embeddings among the arrays of an encoder's file, of which they are taken out."""
    known = jnp.asarray(arrays.pop("known", np.zeros(0)))
    if known.ndim != 2:
        raise HandrailError(
            f"{source}: array 'known' (the unsafe embeddings) is missing or no table"
        )
    return known


def latent_agent(run: LavaRun, environment: LavaEnvironment) -> LatentAgent:
    """DQN + vanilla AE, or DQN + VAE (the methods `ae` and `vae`)."""
    variational = run.method == "vae"
    observations = environment.observations
    shape = observations.frames.shape[1:]
    values = _latent_values(observations, variational)
    q = q_agent(run.learning, values, lambda key: None, environment.actions.n)
    return LatentAgent(
        q=q,
        autoencoder=AutoencoderLearner(
            make=partial(autoencoder, shape, LATENT, HIDDEN, variational=variational),
            loss=Variational() if variational else Vanilla(),
        ),
        make_head=partial(MLP, (LATENT, *run.learning.hidden, environment.actions.n)),
        frames=jnp.asarray(observations.frames),
        seen=Ring(100_000),
        updates=run.learning.train_every // 5,
        learning_starts=min(1_000, run.learning.learning_starts),
    )


def _latent_values(observations: FiniteObservations, variational: bool):
    live = jnp.asarray(observations.frames[: observations.live], jnp.float32)
    if variational:
        return SampledLatents(live)
    if observations.live > MOST_TABULATED:
        return Gathered(jnp.asarray(observations.frames))
    return Tabulated(OnFrames(live))


def _variant(settings: EncoderSettings) -> AbstractVariant:
    return {
        "contrastive": Contrastive(settings.margin, settings.coefficient),
        "vanilla": Vanilla(),
        "vae": Variational(),
        "infonce": InfoNCE(coef=settings.coefficient),
    }[settings.loss]


def _representation_agent(
    settings: EncoderSettings, environment: LavaEnvironment
) -> RepresentationAgent:
    frames, actions = environment.observations.frames, environment.actions.n
    shape = frames.shape[1:]
    network = q_network(shape, actions, settings.acting.hidden)
    acting = q_agent(settings.acting, evaluation(environment.observations), network, actions)
    return RepresentationAgent(
        acting=acting,
        autoencoder=AutoencoderLearner(
            make=partial(
                autoencoder,
                shape,
                settings.latent,
                settings.hidden,
                variational=settings.loss == "vae",
            ),
            loss=_variant(settings),
        ),
        show=Frames(jnp.asarray(frames)),
        seen=Ring(50_000),
        unsafe=Ring(50_000),
        updates=max(acting.block // settings.train_every, 1),
        batch=settings.batch,
    )


def _save(
    path: Path,
    settings: EncoderSettings,
    environment: LavaEnvironment,
    agent: RepresentationAgent,
    state: RepresentationState,
) -> None:
    encoder = state.autoencoder.model.encoder
    frames = environment.observations.frames
    rows = np.asarray(agent.unsafe.read(state.unsafe, jnp.arange(agent.unsafe.capacity)))
    rows = np.unique(rows[: int(agent.unsafe.size(state.unsafe))])
    chosen = np.random.default_rng(settings.seed).permutation(rows)[:KNOWN]
    known = (
        np.asarray(on_every_row(encoder, frames[chosen]))
        if len(chosen)
        else np.zeros((0, settings.latent), np.float32)
    )
    card = Card(
        kind="encoder",
        spec={"view": settings.view, "shape": list(frames.shape[1:])},
        network={
            "latent": settings.latent,
            "hidden": list(settings.hidden),
            "variational": settings.loss == "vae",
        },
        training={"settings": dataclasses.asdict(settings)},
    )
    save(path, card, {**named_arrays(encoder), "known": known})
