"""How a world is changed, as the command line says it."""

from collections.abc import Sequence
from typing import Any

from handrail.cli.train import assigned
from handrail.core.arguments import override
from handrail.core.errors import HandrailError
from handrail.envs.changes import Changes
from handrail.envs.navigation.physics import FACTORS
from handrail.envs.perturbations import perturbations_of
from handrail.envs.perturbed import perturbed


def changes_of(words: Sequence[str]) -> Changes:
    """`name=value` pairs, such as `mass=1.5`; raises `HandrailError` for what is no change."""
    return override(Changes(), assigned(words))


def changed_host(host: Any, changes: Changes) -> Any:
    """An environment of the user's in a changed world; noise is in units of its observations.

    Raises `HandrailError` for other masses and dampings, which handrail cannot give it.
    """
    for name, factor in zip(FACTORS[:2], changes.physical, strict=False):
        if factor != 1:
            raise HandrailError(
                f"{name} is {factor:g}, but handrail does not know the physics of your "
                "environment: leave it out, and name one that is built with another with "
                "--environment"
            )
    return perturbed(host, perturbations_of(changes, scales={}, gain=True))
