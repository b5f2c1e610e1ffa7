"""Foreign functions that are compiled: their errors are one, their numbers have one type."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.core.errors import HandrailError, first_line
from handrail.interventions.asked import ask


def attempt(what: str, function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """`function(*given, **options)`; what it raises is a `HandrailError` that begins with `what`.

    Ordinary Python that asks for the value of an array is named as such, with the way round.
    """
    try:
        return ask(what, lambda: function(*given, **options))
    except HandrailError:
        raise
    except Exception as error:
        raise HandrailError(
            f"{what} cannot be compiled: {type(error).__name__}: {first_line(error)[:200]}"
        ) from error


def strong(tree: PyTree) -> PyTree:
    """The tree with Python's numbers as arrays, and every array's dtype its own.

    A number whose dtype is open (JAX's weak type) would make a second program of the same step.
    """

    def array(leaf: Any) -> Any:
        given = jnp.asarray(leaf)
        if jnp.issubdtype(given.dtype, jax.dtypes.prng_key):
            return given
        return jax.lax.convert_element_type(given, given.dtype)

    return jax.tree.map(array, tree)


def raw_key(key: Key[Array, ""]) -> Array:
    """A key as other libraries pass it around: the numbers of `jax.random.PRNGKey`."""
    return jax.random.key_data(key)


def different(before: PyTree, after: PyTree) -> str | None:
    """Where two trees of shapes have not the same parts, in words; None where they have."""
    one, two = (dict(jax.tree_util.tree_leaves_with_path(tree)) for tree in (before, after))
    for path in [*one, *(path for path in two if path not in one)]:
        kinds = [_kind(tree[path]) if path in tree else "nothing" for tree in (one, two)]
        if kinds[0] != kinds[1]:
            return f"{jax.tree_util.keystr(path) or 'it'} is {kinds[0]}, then {kinds[1]}"
    if jax.tree.structure(before) != jax.tree.structure(after):
        return "its structure is another"
    return None


def _kind(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"
