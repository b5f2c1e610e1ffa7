"""The files of the method: policies, priors and encoders, each with one kind of card."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from handrail.core.artifact import Card, fill, load, named_arrays, save
from handrail.core.errors import HandrailError
from handrail.core.types import Observation
from handrail.interventions.ensemble import PessimisticAdvantages
from handrail.methods.contrastive.built import EncoderNetwork, QNetwork
from handrail.methods.contrastive.inputs import AbstractInputs
from handrail.methods.contrastive.problem import DiscreteProblem, Explored
from handrail.methods.contrastive.settings import RepresentationSettings
from handrail.networks.ensemble import Ensemble
from handrail.networks.image_network import Images

PRIOR, ENCODER, GUIDE = (f"{kind}.safetensors" for kind in ("prior", "encoder", "guide"))
UNSAFE = "known"  # the array of an encoder's file that holds the unsafe embeddings


def save_q(
    path: Path,
    kind: str,
    problem: DiscreteProblem,
    built: QNetwork,
    network: Any,
    provenance: Mapping[str, Any],
) -> None:
    """Writes a network of action values, as a `policy`, a `prior` or a `guide`."""
    spec = {**problem.inputs.spec, "actions": problem.actions}
    card = Card(kind, spec, built.entries(problem.inputs.images), training=dict(provenance))
    save(path, card, network)


def load_q(path: Path, kind: str, inputs: AbstractInputs, actions: int) -> Any:
    """The network of a `policy`, `prior` or `guide`, if it reads these inputs and rates these
    actions; of several priors an `Ensemble`.
    """
    card, arrays = load(path, expect=kind, spec={**inputs.spec, "actions": actions})
    built = QNetwork.read(card, source=str(path))
    _check_images(path, built.pictures, inputs)
    make = inputs.q_network(built, actions)
    if built.members > 1:
        keys = [jax.random.key(0)] * built.members
        fresh = eqx.filter_eval_shape(lambda: Ensemble.of([make(key=key) for key in keys]))
    else:
        fresh = eqx.filter_eval_shape(make, key=jax.random.key(0))
    return fill(fresh, arrays, source=str(path))


def read_prior(path: Path, inputs: AbstractInputs, actions: int) -> Any:
    """The Q-function of a prior's file, or an `Ensemble` of them, if it fits."""
    return load_q(path, "prior", inputs, actions)


def prior_values(
    inputs: AbstractInputs, network: Any, pessimism: float = 0.0
) -> Callable[[Observation], Float[Array, " actions"]]:
    """A prior that learns no more, as a function of an observation: of one its values, of an
    ensemble the pessimistic advantages.

    Raises `HandrailError` for pessimism with one prior, where it would do nothing.
    """
    frozen = inputs.frozen_values(network)
    if isinstance(network, Ensemble):
        return PessimisticAdvantages(frozen, pessimism)
    if pessimism:
        raise HandrailError(
            f"safety.pessimism is {pessimism:g}, but the prior is one and does not disagree with "
            "itself: bring one that was acquired with prior.members, such as 3, or set it to 0"
        )
    return frozen


def save_encoder(
    path: Path,
    problem: Explored,
    settings: RepresentationSettings,
    encoder: Any,
    unsafe_embeddings: Float[np.ndarray, "known latent"],
    provenance: Mapping[str, Any],
) -> None:
    """Writes an encoder and the embeddings of a few observations just before harm."""
    card = Card(
        kind="encoder",
        spec=problem.inputs.spec,
        network=EncoderNetwork.of(settings).entries(problem.inputs.images),
        training=dict(provenance),
    )
    save(path, card, {**named_arrays(encoder), UNSAFE: unsafe_embeddings})


@dataclasses.dataclass(frozen=True)
class Embedding:
    """What an encoder's file holds."""

    encoder: Any
    """Of what `AbstractInputs` makes of one observation."""
    unsafe: Float[Array, "known latent"]
    """Embeddings of observations just before harm in the source tasks."""


def read_encoder(path: Path, inputs: AbstractInputs) -> Embedding:
    """An encoder and the unsafe embeddings that came with it, if it reads these inputs."""
    card, arrays = load(path, expect="encoder", spec=inputs.spec)
    source = str(path)
    unsafe = arrays.pop(UNSAFE, np.zeros(0))
    if unsafe.ndim != 2:
        raise HandrailError(
            f"{source}: array {UNSAFE!r} (the unsafe embeddings) is missing or no table"
        )
    if unsafe.dtype != np.float32 or not np.isfinite(unsafe).all():
        raise HandrailError(
            f"{source}: array {UNSAFE!r} (the unsafe embeddings) is {unsafe.dtype} or not finite; "
            "expected finite float32 numbers"
        )
    latent, variational = unsafe.shape[1], card.network.get("variational", False)
    if card.network.get("latent", latent) != latent or type(variational) is not bool:
        raise HandrailError(
            f"{source}: the card's network has latent = {card.network.get('latent')!r} and "
            f"variational = {variational!r}, but the unsafe embeddings have {latent} numbers each; "
            "expected the same, and true or false"
        )
    built = EncoderNetwork.read(card, latent, variational, source=source)
    _check_images(path, built.pictures, inputs)
    fresh = eqx.filter_eval_shape(inputs.autoencoder, built, key=jax.random.key(0))
    return Embedding(fill(fresh.encoder, arrays, source=source), jnp.asarray(unsafe))


def _check_images(path: Path, own: Images | None, inputs: AbstractInputs) -> None:
    """Refuses a file whose images are no images here, or of other numbers."""
    if (own or {}) != inputs.images:
        raise HandrailError(
            f"{path} does not fit: its images are {_text(own or {})}, here they are "
            f"{_text(inputs.images)}; bring one to the other, such as with "
            "gymnasium.wrappers.TransformObservation"
        )


def _text(images: Images) -> str:
    return ", ".join(f"{name!r}, {values}" for name, values in images.items()) or "none"
