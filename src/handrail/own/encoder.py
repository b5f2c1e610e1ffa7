"""A state check for discrete tasks of one's own: an encoder of what comes before harm."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from handrail.artifact import Card, fill, load, named_arrays, part_shapes, save, widths
from handrail.envs.host_costs import CostFn
from handrail.errors import HandrailError
from handrail.experiments.lava.encoder import KNOWN, autoencoder, known_of
from handrail.experiments.lava.knowledge_settings import ACTING
from handrail.experiments.lava.settings import QLearning
from handrail.interventions.recipes import none
from handrail.learners.autoencoder import AutoencoderLearner, Contrastive
from handrail.learners.representation_agent import RepresentationAgent
from handrail.learners.sac_networks import observation_vector
from handrail.networks.autoencoder import MLPEncoder
from handrail.own.environments import Environment, build_host, closes_environments, host_of, named
from handrail.own.q import q_learner
from handrail.replay.ring import Ring
from handrail.train.compiled import RunState
from handrail.train.host import HostLoop
from handrail.train.run import execute
from handrail.types import Observation

ENCODER = "encoder.safetensors"
EXPLORING = dataclasses.replace(ACTING, learning_starts=1_000)
EVERY = 5  # steps between two updates of the auto-encoder


class VectorEmbedding(eqx.Module):
    """Where the encoder puts an observation's parts side by side."""

    encoder: MLPEncoder

    def __call__(self, observation: Observation) -> Float[Array, " latent"]:
        return self.encoder(observation_vector(observation))


@closes_environments
def train_encoder(
    environment: Environment,
    folder: Path | str,
    *,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    steps: int = 100_000,
    latent: int = 50,
    hidden: tuple[int, ...] = (256,),
    margin: float = 10.0,
    coefficient: float = 0.5,
    batch: int = 128,
    acting: QLearning | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Path:
    """Learns which states come just before a cost (arXiv:2503.10318, phase 1); returns its file.

    A DQN that explores a lot acts meanwhile, so mistakes have to be allowed here. Raises
    `HandrailError` where no step cost anything: then nothing is known of danger.

    Args:
        environment: id of the environment, or a function that builds it, or several of it side
            by side; best one that begins differently at every reset.
        folder: of the run; it must be empty or hold this very run.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        steps: environment steps, those of all side by side.
        latent: size of the embedding.
        hidden: hidden layers of the encoder, and of the decoder in reverse.
        margin: squared distance that safe and unsafe observations should keep.
        coefficient: weight of the contrastive term beside the reconstruction.
        batch: observations an update, half of them unsafe.
        acting: the learner that acts meanwhile.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder, acting = Path(folder), EXPLORING if acting is None else acting
    host = build_host(environment, cost=cost, limits=limits, parts=parts)
    q = q_learner(host, acting)
    size = observation_vector(host.observation_zeros()).shape[0]
    agent = RepresentationAgent(
        acting=q,
        autoencoder=AutoencoderLearner(
            make=partial(autoencoder, (size,), latent, hidden, variational=False),
            loss=Contrastive(margin, coefficient),
        ),
        show=jax.vmap(observation_vector),
        seen=Ring(50_000),
        unsafe=Ring(50_000),
        updates=max(q.block // EVERY, 1),
        batch=batch,
    )
    settings = {
        "purpose": "own encoder", "environment": host.name, "cost": named(cost),
        "limits": None if limits is None else dict(limits),
        "parts": part_shapes(host.observation_zeros()), "steps": steps, "latent": latent,
        "hidden": list(hidden), "margin": margin, "coefficient": coefficient, "batch": batch,
        "seed": seed, "acting": dataclasses.asdict(acting),
    }  # fmt: skip

    def keep(state: RunState) -> dict[str, Any]:
        unsafe = agent.unsafe.size(state.agent.unsafe)
        if not unsafe:
            raise HandrailError(
                f"{host.name}: none of {steps} steps had a cost, so there is no danger to learn "
                "about; check the cost, train longer, or begin closer to harm"
            )
        filled = jax.tree.map(lambda leaf: leaf[:unsafe], state.agent.unsafe.items)
        encoder = state.agent.autoencoder.model.encoder
        card = Card(
            kind="encoder",
            spec={"parts": settings["parts"], "view": "named parts"},
            network={"latent": latent, "hidden": list(hidden)},
            training={"task": host.name, "settings": settings},
        )
        known = _embedded(encoder, np.asarray(agent.show(filled)), seed)
        save(folder / ENCODER, card, {**named_arrays(encoder), "known": known})
        return {}

    execute(
        HostLoop(host, agent, none(), steps), folder, settings, seed=seed, summarise=keep,
        report=lambda step, metrics: report(step, steps),
    )  # fmt: skip
    return folder / ENCODER


def load_encoder(
    path: Path | str, environment: Any, *, parts: Sequence[str] | None = None
) -> tuple[VectorEmbedding, Float[Array, "known latent"]]:
    """The embedding of a file and the unsafe ones that came with it: the arguments of `NearUnsafe`.

    Raises `HandrailError` where it does not fit this Gymnasium environment.
    """
    path, host = Path(path), host_of(environment, parts=parts)
    zeros = host.observation_zeros()
    card, arrays = load(path, expect="encoder", spec={"parts": part_shapes(zeros)})
    known = known_of(arrays, source=str(path))
    sizes = (
        observation_vector(zeros).shape[0],
        *widths(card, "hidden", source=str(path)),
        known.shape[1],
    )
    fresh = MLPEncoder(sizes, key=jax.random.key(0))
    return VectorEmbedding(fill(fresh, arrays, source=str(path))), known


def _embedded(encoder: MLPEncoder, observations: np.ndarray, seed: int) -> np.ndarray:
    """The embeddings of a few distinct observations."""
    distinct = np.unique(observations, axis=0)
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:KNOWN]
    return np.asarray(encoder.batch(jnp.asarray(distinct[chosen])))
