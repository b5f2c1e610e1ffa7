"""A network that has been evaluated once on every row of a finite environment's table."""

from jaxtyping import Array, Int, Shaped

from handrail.core.rows import AbstractByRow, padded_table


class Lookup(AbstractByRow):
    """Maps a row to its precomputed output; rows beyond the table read the last entry.

    Only live rows are tabulated: the others end an episode, so nothing is ever decided
    on them and their bootstrap is masked.
    """

    table: Shaped[Array, "rows *output"]

    def __call__(self, row: Int[Array, ""]) -> Shaped[Array, "*output"]:
        return self.table.at[row].get(mode="clip")

    def padded(self, rows: int) -> "Lookup":
        return Lookup(padded_table(self.table, rows))
