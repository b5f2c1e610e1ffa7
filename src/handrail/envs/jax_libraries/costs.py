"""Where the cost of a step of another JAX library's environment is read."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.arguments import shown
from handrail.core.errors import HandrailError
from handrail.envs.jax_libraries.tracing import attempt

CostSource = str | Callable[[Any, Any, Any], Any]
"""`"info:cost"` (or another name, or `"metrics:cost"`), or a function `(state, action, next_state)`
of the library's own states and actions, of arrays.
"""
EXPECTED = "'info:NAME', 'metrics:NAME', or a function (state, action, next_state) -> cost"


def checked_source(cost: Any) -> CostSource:
    """Refuses what says of no cost where it is."""
    if callable(cost) or (isinstance(cost, str) and ":" in cost.strip(":")):
        return cost
    raise HandrailError(f"cost is {shown(cost)}: expected {EXPECTED}")


def cost_of(
    source: CostSource,
    name: str,
    places: Mapping[str, Mapping[Any, Any]],
    state: Any,
    action: Any,
    after: Any,
) -> Float[Array, ""]:
    """The cost of the step from `state` to `after`, of the environment `name`.

    `places` are what the library says besides, `info` and such. Raises `HandrailError`, while it
    is compiled, where there is no cost or not one number. Its value is looked at later
    (`OwnEnvironment`).
    """
    if isinstance(source, str):
        place, _, entry = source.partition(":")
        if entry not in places.get(place, {}):
            known = [f"{each}:{key}" for each, found in places.items() for key in sorted(found)]
            raise HandrailError(
                f"{name}: there is no cost in {source!r}; a step says "
                f"{', '.join(known) or 'nothing besides'}: give cost={EXPECTED}"
            )
        given, what = places[place][entry], f"{name}: {source!r}"
    else:
        what = f"{name}: the cost function"
        given = attempt(what, source, state, action, after)
    try:
        cost = jnp.asarray(given)
    except (TypeError, ValueError):
        cost = None
    if cost is None or cost.shape != () or not _is_real(cost):
        kind = type(given).__name__ if cost is None else f"{cost.dtype} of shape {cost.shape}"
        raise HandrailError(f"{what} gives a {kind}; expected one real number a step")
    return cost.astype(jnp.float32)


def marked(cost: Float[Array, ""]) -> Float[Array, ""]:
    """The cost; one that is negative becomes −∞, and one that is not finite NaN.

    Sums of an episode keep the mark, so that it is found after the compiled steps
    (`train.numbers`).
    """
    valid = jnp.isfinite(cost) & (cost >= 0)
    return jnp.where(valid, cost, jnp.where(cost < 0, -math.inf, math.nan))


def _is_real(value: Array) -> bool:
    return jnp.issubdtype(value.dtype, jnp.bool_) or (
        jnp.issubdtype(value.dtype, jnp.number)
        and not jnp.issubdtype(value.dtype, jnp.complexfloating)
    )
