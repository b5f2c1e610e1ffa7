"""Several networks of one kind as one."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


class Ensemble(eqx.Module):
    """Answers with what each member answers, stacked: `(members, *output)`."""

    members: Any
    """A network, every array of which has the members as its first axis."""

    @staticmethod
    def of(networks: Sequence[Any]) -> "Ensemble":
        """Of networks that differ in their numbers alone."""
        dynamic, static = zip(*(eqx.partition(one, eqx.is_array) for one in networks), strict=True)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *dynamic)
        return Ensemble(eqx.combine(stacked, static[0]))

    def __call__(self, given: Any) -> Any:
        return eqx.filter_vmap(lambda member: member(given))(self.members)
