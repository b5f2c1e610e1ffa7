"""What a user's function gives, checked while it is compiled: before the first step.

A guard that is asked for one truth and gives two, or that is broken ordinary Python, must be
refused where it is built, not at the step where it would have been needed.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from handrail.core.errors import HandrailError, first_line

TRACING = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""What JAX raises where Python asks for the value of an array while it compiles."""


def ask(what: str, function: Callable[..., Any], *given: Any) -> Any:
    """`function(*given)`. Ordinary Python in it raises a `HandrailError` that says the way round.

    `what` names the function in the message, such as "the predicate".
    """
    try:
        return function(*given)
    except TRACING as error:
        raise ordinary_python(what, error) from error


def ordinary_python(what: str, error: Exception) -> HandrailError:
    """The error for what asks for the value of an array while it is compiled."""
    return HandrailError(
        f"{what} uses the value of an array in ordinary Python ({first_line(error)[:120]}). "
        "JAX compiles it once (tracing), without values: write jnp.where for `if`, jax.numpy "
        "for NumPy, and leave float() out; or let the host call it at every step: "
        "handrail.on_host(function, like=...), which is jax.pure_callback"
    )


def as_array(what: str, given: Any, expected: str) -> Array:
    """What a function gave, as an array of numbers or truths."""
    try:
        return jnp.asarray(given)
    except (TypeError, ValueError):
        raise HandrailError(f"{what} gives a {type(given).__name__}; expected {expected}") from None


def one_number(what: str, given: Any) -> Array:
    """One real number, shape `()`. Raises `HandrailError` for another shape."""
    value = as_array(what, given, "one number")
    if value.shape != ():
        raise HandrailError(
            f"{what} gives {math.prod(value.shape)} numbers (shape {value.shape}); "
            "reduce them to one, such as with .max()"
        )
    return value


def vector(what: str, given: Any, *, size: int | None = None, of: str = "action") -> Array:
    """A number for each `of`, shape `(size,)`. Raises `HandrailError` for another shape."""
    value = as_array(what, given, f"a vector with a number for each {of}")
    if value.ndim != 1 or (size is not None and value.size != size):
        wanted = "" if size is None else f"{size}, "
        raise HandrailError(
            f"{what} gives numbers of shape {value.shape}; expected a vector of {wanted}"
            f"one for each {of}"
        )
    return value


def one_truth(what: str, given: Any) -> tuple[Bool[Array, ""], Bool[Array, ""] | None]:
    """One truth, and whether it was no finite number (None where it cannot be).

    A boolean, or a number of which 0 is false; NaN and infinity are true, since a guard that does
    not know steps in. Raises `HandrailError` for another shape.
    """
    value = as_array(what, given, "one truth, such as a comparison")
    if value.shape != ():
        raise HandrailError(
            f"{what} gives {math.prod(value.shape)} truths; reduce them, such as with .any()"
        )
    if value.dtype == jnp.bool_:
        return value, None
    if not (jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)):
        raise HandrailError(f"{what} gives {value.dtype}; expected one truth, such as a comparison")
    unknown = ~jnp.isfinite(value) if jnp.issubdtype(value.dtype, jnp.floating) else None
    return value != 0, unknown


def check_compared(name: str, value: Any) -> None:
    """Refuses what a trigger cannot compare with: no number is above NaN, so it would never fire.

    Values that are being traced pass unseen.
    """
    if isinstance(value, jax.core.Tracer):
        return
    try:
        known = not np.isnan(np.asarray(value, np.float64)).any()
    except (TypeError, ValueError):
        known = False
    if not known:
        raise HandrailError(
            f"{name} is {value!r}: expected a number; against anything else the guard would never "
            "step in"
        )
