"""An encoder of the source's observations, for students whose guide acts near unsafe states."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.core.arguments import checked
from handrail.core.errors import HandrailError
from handrail.core.recorded import stable
from handrail.core.rng import stream
from handrail.envs.base import action_size
from handrail.learners.representation.agent import RepresentationAgent
from handrail.learners.representation.foresight import Foresight
from handrail.learners.wanderer import Wanderer
from handrail.methods.contrastive.agents import learner_beside
from handrail.methods.contrastive.artefacts import ENCODER
from handrail.methods.contrastive.encoder import train_encoder
from handrail.methods.contrastive.problem import Explored
from handrail.methods.sagui.near_settings import SourceEncoderSettings
from handrail.methods.sagui.problem import Source
from handrail.methods.sagui.shield import REPEAT
from handrail.methods.sagui.state_check import encoder_inputs
from handrail.train.course import Course, coursed
from handrail.train.run_folder import refuse_foreign

REMEMBERED = 50_000
"""Observations of each label."""


def encoder_learner(source: Source, settings: SourceEncoderSettings) -> RepresentationAgent:
    """Drives at random through the source, and learns an encoder from what it sees."""
    interface = source.interface
    key = stream(jax.random.key(10 * settings.seed + 2), "wander")
    inputs = encoder_inputs(interface.observation, source.scaled_parts)
    return learner_beside(
        Wanderer(actions=action_size(interface.actions), key=key, repeat=REPEAT), inputs, settings,
        min(REMEMBERED, settings.steps), foresight=Foresight(settings.horizon),
    )  # fmt: skip


@coursed
def train_source_encoder(
    source: Source,
    settings: SourceEncoderSettings,
    folder: Path,
    *,
    recorded: Mapping[str, Any],
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Course[Path]:
    """Trains an encoder inside `folder` and returns its file; a finished one is not repeated.

    Raises `HandrailError` where no harm was met, the observation has images, or the folder has an
    encoder of another run.
    """
    settings, path, training = checked(settings), folder / ENCODER, folder / "training"
    if path.exists() and not training.exists():
        refuse_foreign(folder)
    block = Wanderer.train_every
    if settings.steps % block:
        raise HandrailError(f"encoder.steps is {settings.steps}: expected a multiple of {block}")
    where, copies = source.interface, getattr(source.training, "copies", 1)
    if copies > 1:
        raise HandrailError(
            f"{where.name} is {copies} environments side by side, and an encoder learns what "
            "follows a state in one: name a function that builds one"
        )
    if where.images:
        raise HandrailError(
            f"{where.name}: the observation has images, and encoders of a source read plain "
            "numbers: take a method without them, such as 'budget-switch'"
        )
    inputs = encoder_inputs(where.observation, source.scaled_parts)
    return (
        yield from train_encoder.course(
            encoder_learner(source, settings), Explored(where.name, source.training, inputs),
            settings, training, path,
            recorded=recorded, provenance={"settings": stable(settings)}, report=report,
        )
    )  # fmt: skip
