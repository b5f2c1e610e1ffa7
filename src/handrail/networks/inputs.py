"""What a network reads of a vector whose numbers have different units: fixed, nothing is learnt."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Float

from handrail.core.errors import HandrailError

CLOSEST = 1 / 60  # of a lidar's range: nearer is not told apart


class ScaledInputs(eqx.Module):
    """Every number times its factor; readings of nearness in the logarithm of the distance.

    A reading r of nearness is 1 − distance / range, 0 where nothing is in range. A network reads
    −log(1 − r), from 0 to 4.1: what matters happens in the last tenth of r, and a network of a
    few layers hardly sees it there (`docs/decisions.md`, G32).

    Attributes:
        factors: of each number.
        readings: which numbers are readings of nearness; their factors multiply the logarithm.
    """

    factors: tuple[float, ...] = eqx.field(static=True)
    readings: tuple[bool, ...] = eqx.field(static=True)

    def __check_init__(self):
        if len(self.factors) != len(self.readings):
            raise HandrailError(
                f"ScaledInputs: {len(self.factors)} factors for {len(self.readings)} numbers; "
                "give one each"
            )

    def __call__(self, vector: Float[Any, " n"]) -> Float[Any, " n"]:
        """What is read of a vector."""
        return self.reader()(vector)

    def reader(self, xp: ModuleType = jnp) -> Callable[[Float[Any, " n"]], Float[Any, " n"]]:
        """The same as a function of `xp`: JAX's NumPy, or NumPy for one vector after another."""
        factors = xp.array(self.factors, dtype=xp.float32)
        readings = xp.array(self.readings)

        def read(vector):
            logarithm = -xp.log(xp.maximum(1 - vector, CLOSEST))
            return factors * xp.where(readings, logarithm, vector)

        return read
