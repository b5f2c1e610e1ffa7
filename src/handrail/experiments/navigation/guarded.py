"""The shield test in the navigation tasks, and what its result says against a guide."""

from typing import Any

from jaxtyping import Array, Key

from handrail.artifact import Card
from handrail.envs.navigation.problems import navigation_problem
from handrail.equations.budget import LIMIT_STEPS
from handrail.experiments.navigation.environments import AnyEnvironment
from handrail.experiments.navigation.presets import FORESEEN
from handrail.methods.shield_test import REPEAT, STEPS, ShieldTest, evaluate_shield

GUARD = FORESEEN
"""Discounted cost that is foreseen of a random action before the guide takes over in the test."""
HELD = REPEAT
Guarded = ShieldTest


def guarded_source(name: str) -> AnyEnvironment:
    """The task's source, where the test takes place: nothing ends at its borders."""
    return navigation_problem(name, source_length=STEPS, outside="open").source


def drive_guarded(
    environment: AnyEnvironment, guide: Any, *, episodes: int, key: Key[Array, ""]
) -> ShieldTest:
    """How random driving fares if the guide acts where it foresees more than `GUARD`."""
    done = evaluate_shield(environment, guide, threshold=GUARD, episodes=episodes, key=key)
    return ShieldTest.of(done)


def doubts(card: Card, limit: float) -> list[str]:
    """What the evaluation on a guide's card says against a student of this limit, in words.

    `limit` is undiscounted, of an episode of as many steps as those of the card's own limit.
    """
    evaluation = card.training.get("evaluation")
    cost = evaluation.get("guarded_cost") if isinstance(evaluation, dict) else None
    if not isinstance(cost, (int, float)) or not cost > limit:
        return []
    steps = card.spec.get("limit_steps")
    steps = steps if isinstance(steps, int) else LIMIT_STEPS
    return [
        f"random driving under this guide's guard costs {cost:.3g} in {steps:,} steps, more "
        f"than the student's limit of {limit:g}: expect epochs above it, or train another guide "
        "(longer, or from another seed)"
    ]
