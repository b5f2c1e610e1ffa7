"""Ordinary Python functions as a guard's predicate or controller."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.types import Context


def on_host(function: Callable[..., Any], like: Any = False) -> Callable[..., Any]:
    """`function`, called by the host at every step: it may use `if`, NumPy and any library.

    Arrays reach it as NumPy's, a key as a few integers that seed a generator
    (`numpy.random.default_rng(key)`). It must depend on what it is given alone: JAX may call it
    again or not at all. Several environments side by side are asked about one after another. A
    call costs about a tenth of a millisecond (`jax.pure_callback`).

    Args:
        function: such as the condition of `shield` or the `act` of `Policy`.
        like: an example of what it returns, for shapes and dtypes; by default one truth. For
            `act(observation, key)` it is the pair of an action and its extras, such as
            `(numpy.zeros(1, numpy.float32), {})`.

    Raises `HandrailError` where what it returns looks otherwise than `like`.
    """
    shapes = jax.tree.map(_shape, like)
    expected, tree = jax.tree.flatten(shapes)

    def called(*given: Any) -> Any:
        found = function(*jax.tree.map(np.asarray, given))
        try:
            leaves = [np.asarray(leaf) for leaf in tree.flatten_up_to(found)]
        except ValueError as error:
            raise HandrailError(
                f"{_name(function)} returned {found!r}; expected what looks like {like!r}"
            ) from error
        for leaf, shape in zip(leaves, expected, strict=True):
            if leaf.shape != shape.shape:
                raise HandrailError(
                    f"{_name(function)} returned shape {leaf.shape}; expected {shape.shape}, as "
                    "`like` says"
                )
        cast = [leaf.astype(shape.dtype) for leaf, shape in zip(leaves, expected, strict=True)]
        return jax.tree.unflatten(tree, cast)

    def asked(*given: Any) -> Any:
        return jax.pure_callback(called, shapes, *map(_plain, given), vmap_method="sequential")

    return asked


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    array = np.asarray(leaf)
    return jax.ShapeDtypeStruct(array.shape, jax.dtypes.canonicalize_dtype(array.dtype))


def _plain(given: Any) -> Any:
    """What can be handed to the host: without the learner's networks, keys as their numbers."""
    if isinstance(given, Context):
        given = given.without_snapshot()
    return jax.tree.map(_numbers, given)


def _numbers(leaf: Any) -> Any:
    is_key = jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
