"""Navigation tasks in changed worlds."""

from typing import Any

import jax.numpy as jnp

from handrail.envs.base import AbstractEnvironment
from handrail.envs.changes import Changes
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.perturbations import Delay, Disturbance, SensorNoise, perturbations_of
from handrail.envs.perturbed import Perturbed, perturbed
from handrail.methods.sagui.inputs import FACTORS

SCALES = {name: 1 / factor for name, factor in FACTORS.items()}
"""Of the numbers of a part, where they are not of the order of 1."""


def physics_of(changes: Changes) -> PhysicsRange | None:
    """The physics of a changed world; None where they are nominal."""
    return None if changes.physical == (1, 1, 1) else PhysicsRange.at(*changes.physical)


def changed(environment: Any, changes: Changes) -> Any:
    """An environment that has the physics of a changed world, with the rest of its changes."""
    return perturbed(environment, perturbations_of(changes, scales=SCALES))


def changed_alike(environment: Any, changes: Changes, *, longest: int) -> Any:
    """The same, such that worlds with delays of up to `longest` steps look alike to a compiler, and
    one program serves them all: what is not changed is changed by nothing.
    """
    if not isinstance(environment, AbstractEnvironment):
        return changed(environment, changes)
    return Perturbed(
        environment,
        (
            Disturbance(jnp.float32(changes.disturbance)),
            Delay(jnp.int32(changes.delay), longest),
            SensorNoise(jnp.float32(changes.noise), tuple(SCALES.items())),
        ),
    )
