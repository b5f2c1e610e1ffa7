"""Ordinary Python functions as a guard's predicate or controller."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.types import Context


class _Unsaid:
    """Stands for a `like` that was not given."""

    def __repr__(self) -> str:
        return "as it is asked"


_UNSAID: Any = _Unsaid()


def on_host(function: Callable[..., Any], like: Any = _UNSAID) -> Callable[..., Any]:
    """`function`, called by the host at every step: it may use `if`, NumPy, PyTorch, any library.

    Arrays reach it as NumPy's, a key as a few integers that seed a generator
    (`numpy.random.default_rng(key)`). It must depend on what it is given alone: JAX may call it
    again or not at all. Several environments side by side are asked about one after another. A
    call costs about a tenth of a millisecond (`jax.pure_callback`).

    As the `act` of `Policy` it may be `act(observation)` or `act(observation, key)`, and may give
    an action alone, or a pair of which the action is the first, as `predict` of stable-baselines3.

    Args:
        function: such as the condition of `shield` or the `act` of `Policy`.
        like: an example of what it returns, for shapes and dtypes; by default one action where a
            `Policy` asks, and one truth elsewhere. Of a cost critic it is `0.0`, of a prior an
            array with a number for each action.

    Raises `HandrailError` where what it returns looks otherwise than `like`.
    """
    said = not isinstance(like, _Unsaid)
    like = like if said else False
    shapes = jax.tree.map(_shape, like)
    expected, tree = jax.tree.flatten(shapes)

    def called(*given: Any) -> Any:
        found = function(*jax.tree.map(np.array, given))  # copies: PyTorch wants to write
        try:
            leaves = [as_numpy(leaf) for leaf in tree.flatten_up_to(found)]
        except ValueError as error:
            raise HandrailError(
                f"{_name(function)} returned {found!r}; expected what looks like {like!r}"
            ) from error
        for leaf, shape in zip(leaves, expected, strict=True):
            _check_numbers(function, found, leaf, shape.dtype)
            if leaf.shape != shape.shape:
                raise HandrailError(
                    f"{_name(function)} returned shape {leaf.shape}; expected {shape.shape}, as "
                    "`like` says"
                )
        cast = [leaf.astype(shape.dtype) for leaf, shape in zip(leaves, expected, strict=True)]
        return jax.tree.unflatten(tree, cast)

    def asked(*given: Any) -> Any:
        return jax.pure_callback(called, shapes, *map(_plain, given), vmap_method="sequential")

    if not said:
        setattr(asked, CONTROLLER, function)
    return asked


CONTROLLER = "handrail_controller"
"""Of what `on_host` gives without `like`: the user's function, which a `Policy` asks."""


def controller_of(act: Callable[..., Any]) -> Callable[..., Any] | None:
    """The user's function in what `on_host` gave, if it may give an action; else None."""
    return getattr(act, CONTROLLER, None)


def acting_on_host(
    function: Callable[..., Any],
    example: Any,
    convert: Callable[[np.ndarray], Any] = lambda action: action,
) -> Callable[..., Any]:
    """A user's function as the `act` of a policy, for actions that look like `example`.

    `convert` makes an action of the agent's of what the function gives, in NumPy.
    """
    with_key = takes_key(function)

    def act(observation: Any, key: Any) -> tuple[Any, dict[str, Any]]:
        given = function(observation, key) if with_key else function(observation)
        return convert(first_of(given)), {}

    return on_host(act, like=(np.zeros(np.shape(example), example.dtype), {}))


def first_of(given: Any) -> Any:
    """The action of what a controller gives: it alone, or the first of a pair."""
    action = given[0] if isinstance(given, tuple) and len(given) == 2 else given
    return jax.tree.map(as_numpy, action)


def as_numpy(leaf: Any) -> np.ndarray:
    """An array of any library as NumPy's; PyTorch's without its gradient and device."""
    if hasattr(leaf, "detach"):
        leaf = leaf.detach().cpu().numpy()
    return np.asarray(leaf)


def takes_key(function: Callable[..., Any]) -> bool:
    """Whether a function needs a second argument; one that says nothing gets the observation."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [
        one for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty
    ]  # fmt: skip
    return len(needed) > 1


def _check_numbers(function: Any, found: Any, leaf: np.ndarray, wanted: Any) -> None:
    """Refuses what a cast would make up: None and text as truths, 1.9 as the action 1."""
    if leaf.dtype.kind not in "biuf":
        raise HandrailError(
            f"{_name(function)} returned {found!r}; expected numbers or truths: does it end in "
            "`return`?"
        )
    if jnp.issubdtype(wanted, jnp.integer) and (leaf != np.rint(leaf)).any():
        raise HandrailError(
            f"{_name(function)} returned {found!r}; expected whole numbers, such as the number of "
            "an action"
        )


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
