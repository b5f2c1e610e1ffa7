"""Acquiring knowledge on lava worlds, each piece in a folder of its own."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from handrail.core.arguments import checked
from handrail.core.recorded import stable
from handrail.methods.contrastive.agents import representation_learner
from handrail.methods.contrastive.artefacts import ENCODER, GUIDE, PRIOR
from handrail.methods.contrastive.encoder import train_encoder
from handrail.methods.contrastive.guide import train_avoidance
from handrail.methods.contrastive.prior import train_prior
from handrail.tasks.lava.problems import explored_problem, prior_problem
from handrail.tasks.lava.settings import LavaEncoder, LavaGuide, LavaPrior
from handrail.train.course import Course, coursed

Report = Callable[[str, int, int], None]
"""`report(run, step, total)`."""


@coursed
def acquire_prior(settings: LavaPrior, folder: Path, report: Report) -> Course[Path]:
    """Trains source Q-functions and the prior inside `folder`; returns the prior's file."""
    if (folder / PRIOR).exists():
        return folder / PRIOR
    settings = checked(settings)
    return (
        yield from train_prior.course(
            {name: partial(prior_problem, settings, name) for name in settings.sources},
            partial(prior_problem, settings, settings.environment, settings.further_environments),
            settings,
            folder,
            recorded=stable(settings),
            provenance={"settings": dataclasses.asdict(settings)},
            report=report,
        )
    )


@coursed
def acquire_encoder(settings: LavaEncoder, folder: Path, report: Report) -> Course[Path]:
    """Trains the encoder inside `folder`; returns its file."""
    if (folder / ENCODER).exists():
        return folder / ENCODER
    settings = checked(settings)
    problem = explored_problem(settings)
    return (
        yield from train_encoder.course(
            representation_learner(problem, settings),
            problem,
            settings,
            folder / "training",
            folder / ENCODER,
            needs_unsafe=False,  # students find their own
            **_known("encoder", settings, report),
        )
    )


@coursed
def acquire_guide(settings: LavaGuide, folder: Path, report: Report) -> Course[Path]:
    """Trains a guide inside `folder`; returns its file."""
    if (folder / GUIDE).exists():
        return folder / GUIDE
    settings = checked(settings)
    return (
        yield from train_avoidance.course(
            explored_problem(settings),
            settings,
            folder / "training",
            folder / GUIDE,
            **_known("guide", settings, report),
        )
    )


def _known(kind: str, settings: LavaEncoder | LavaGuide, report: Report) -> dict[str, Any]:
    """What a training is known by, on its card and where it is followed."""
    return {
        "recorded": {"purpose": kind, **stable(settings)},
        "provenance": {"settings": dataclasses.asdict(settings)},
        "report": partial(report, kind),
    }
