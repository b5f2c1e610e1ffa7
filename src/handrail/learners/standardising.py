"""When numbers are standardised: their means are taken of the memory before the first update."""

from typing import Any

import jax
from jaxtyping import Array, Bool, PyTree

from handrail.networks.reading import is_unmeasured, measured
from handrail.replay.base import AbstractReplay


def measured_once(
    tree: PyTree, replay: AbstractReplay, memory: Any, due: bool | Bool[Array, ""] = True
) -> PyTree:
    """A tree of networks whose numbers are measured on what the memory holds, if they are not yet
    and that is due; as it is where nothing is standardised.
    """
    unmeasured = is_unmeasured(tree)
    if unmeasured is None:
        return tree
    return jax.lax.cond(
        due & unmeasured,
        lambda tree: measured(tree, *replay.observations(memory)),
        lambda tree: tree,
        tree,
    )
