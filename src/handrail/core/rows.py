"""Tables with a row for each observation of a finite environment, and making them longer.

Environments of one kind have tables of nearly one length. Padded to one length, they can be stepped
and learnt from as one program; nobody ever stands on a row that was added.
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped


class AbstractByRow(eqx.Module):
    """Holds tables by row."""

    @abc.abstractmethod
    def padded(self, rows: int) -> "AbstractByRow":
        """The same with tables of this length. Live rows read what they did, and so do the others:
        what is added repeats the last row.
        """


def padded_table(table: Shaped[Array, "rows *rest"], rows: int) -> Shaped[Array, "more *rest"]:
    """A table of this length that repeats its last row at the end."""
    more = rows - len(table)
    return jnp.pad(table, ((0, more), *((0, 0),) * (table.ndim - 1)), mode="edge")


def padded_throughout(tree: Any, rows: int) -> Any:
    """A tree whose nodes with tables by row all have this length."""

    def pad(node: Any) -> Any:
        return node.padded(rows) if isinstance(node, AbstractByRow) else node

    return jax.tree.map(pad, tree, is_leaf=lambda node: isinstance(node, AbstractByRow))
