"""The encoder: which states are near danger, learnt while an agent acts (phase 1)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.core.errors import HandrailError
from handrail.interventions.recipes import none
from handrail.learners.representation.agent import RepresentationAgent
from handrail.methods.contrastive.artefacts import save_encoder
from handrail.methods.contrastive.inputs import on_every_row
from handrail.methods.contrastive.problem import Explored
from handrail.methods.contrastive.settings import RepresentationSettings
from handrail.train.compiled import RunState
from handrail.train.course import Course, coursed
from handrail.train.loops import make_loop
from handrail.train.run import execute, unlearnt

MOST_UNSAFE = 100  # embeddings that travel with an encoder


@coursed
def train_encoder(
    agent: RepresentationAgent,
    problem: Explored,
    settings: RepresentationSettings,
    folder: Path,
    path: Path,
    *,
    recorded: Mapping[str, Any],
    provenance: Mapping[str, Any],
    needs_unsafe: bool = True,
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Course[Path]:
    """Trains an encoder; returns its file. Continues what was interrupted.

    Args:
        agent: acts, and learns the encoder: `agents.representation_learner`, or one's own.
        problem: where it acts; harm has to be allowed there.
        settings: of the encoder.
        folder: of the run.
        path: of the file.
        recorded: what determines the run, for its `run.json`.
        provenance: how the encoder came about, for its card.
        needs_unsafe: whether to raise `HandrailError` where no step cost anything. Otherwise the
            file holds no unsafe embeddings, and students begin without any.
        report: called as `report(step, total)`.
    """

    def keep(state: RunState) -> dict[str, Any]:
        count = int(agent.unsafe.size(state.agent.unsafe))
        if needs_unsafe and not count:
            raise HandrailError(
                f"{problem.name}: none of {settings.steps} steps had a cost, so there is no danger "
                "to learn about; check the cost, train longer, or begin closer to harm"
            )
        encoder = state.agent.autoencoder.model.encoder
        unsafe = jax.tree.map(lambda leaf: leaf[:count], state.agent.unsafe.items)
        embeddings = _embeddings(problem, settings, encoder, unsafe, count)
        save_encoder(path, problem, settings, encoder, embeddings, provenance)
        return {}

    loop = make_loop(problem.environment, agent, none(), settings.steps)
    if wrong := unlearnt(loop):
        raise HandrailError(f"encoder of {problem.name}: {wrong}")
    yield from execute.course(
        loop,
        folder,
        dict(recorded),
        seed=settings.seed,
        summarise=keep,
        report=lambda step, _: report(step, settings.steps),
    )
    return path


def _embeddings(
    problem: Explored, settings: RepresentationSettings, encoder: Any, unsafe: Any, count: int
) -> np.ndarray:
    """Where the encoder puts a few distinct ones of the `count` unsafe observations."""
    if not count:
        return np.zeros((0, settings.latent), np.float32)
    distinct = problem.inputs.distinct(unsafe)
    chosen = np.random.default_rng(settings.seed).permutation(len(distinct))[:MOST_UNSAFE]
    return np.asarray(on_every_row(encoder, distinct[chosen]))
