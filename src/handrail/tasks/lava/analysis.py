"""Looking at knowledge itself: embeddings, and how right the checks are on every state."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool, Float

from handrail.core.artifact import load
from handrail.envs.lava.environment import LavaEnvironment
from handrail.envs.lava.layouts import fixed
from handrail.envs.lava.make import make_lava
from handrail.equations.safety_checks import mean_nearest_distance, values_over_mean
from handrail.methods.contrastive.artefacts import prior_values, read_encoder, read_prior
from handrail.methods.contrastive.inputs import TableInputs, on_every_row
from handrail.networks.ensemble import Ensemble
from handrail.tasks.lava.fitting import check_size, window_of
from handrail.tasks.lava.problems import inputs_of


@dataclasses.dataclass(frozen=True)
class StateCheck:
    """What the encoder makes of every live state of a layout."""

    embeddings: Float[np.ndarray, "states latent"]
    distances: Float[np.ndarray, " states"]
    """Mean distance to the nearest unsafe embeddings that the encoder brought along."""
    unsafe: Bool[np.ndarray, " states"]
    """The truth: some action incurs a cost."""

    def separation(self) -> float:
        """Probability that an unsafe state is nearer than a safe one (area under the curve)."""
        if self.unsafe.all() or not self.unsafe.any():
            return float("nan")
        near, far = self.distances[self.unsafe], self.distances[~self.unsafe]
        less = (near[:, None] < far[None]).mean()
        return float(less + 0.5 * (near[:, None] == far[None]).mean())

    def rates(self, reach: float) -> tuple[float, float]:
        """(share of unsafe states caught, share of safe states flagged) at a distance."""
        flagged = self.distances < reach
        return float(flagged[self.unsafe].mean()), float(flagged[~self.unsafe].mean())


def check_states(
    encoder: Path, view: str, environment: str, seed: int, *, lava_color: str | None = None
) -> StateCheck:
    """The state check on the layout `seed` of an environment, lava perhaps repainted."""
    world, inputs = _seen(environment, seed, view, lava_color, encoder)
    embedding = read_encoder(encoder, inputs)
    embeddings = on_every_row(embedding.encoder, inputs.frames[: inputs.live])
    unsafe, count = embedding.unsafe, embedding.unsafe.shape[0]
    distances = jax.vmap(lambda e: mean_nearest_distance(e, unsafe, count))(embeddings)
    truth = np.any(np.asarray(world.unsafe_table)[: inputs.live], axis=1)
    return StateCheck(np.asarray(embeddings), np.asarray(distances), truth)


def check_actions(
    prior: Path,
    view: str,
    environment: str,
    seed: int,
    *,
    threshold: float = 0.0,
    pessimism: float = 0.0,
    lava_color: str | None = None,
) -> tuple[float, float]:
    """(share of unsafe actions flagged, share of safe ones flagged) over all live states.

    `pessimism` is for an ensemble of priors.
    """
    world, inputs = _seen(environment, seed, view, lava_color, prior)
    network = read_prior(prior, inputs, world.actions.n)
    values = jax.vmap(prior_values(inputs, network, pessimism))(np.arange(inputs.live))
    ensemble = isinstance(network, Ensemble)  # whose values are advantages already
    advantages = values if ensemble else jax.vmap(values_over_mean)(values)
    flagged = np.asarray(advantages) < threshold
    truth = np.asarray(world.unsafe_table)[: inputs.live]
    return float(flagged[truth].mean()), float(flagged[~truth].mean())


def _seen(
    environment: str, seed: int, view: str, lava_color: str | None, file: Path
) -> tuple[LavaEnvironment, TableInputs]:
    observation = "pixels" if view == "pixels" else "symbolic"
    layout = fixed(seed)
    world = make_lava(environment, layout=layout, observation=observation, lava_color=lava_color)
    card, _ = load(file)
    check_size(file, card, environment, world.world.width, world.world.height)
    return world, inputs_of(world, view, lava_color, window_of(file, card))
