"""Steps of runs that learn in blocks and are looked at by epochs."""

import dataclasses

from handrail.core.errors import HandrailError
from handrail.methods.sagui.settings import SacSettings


@dataclasses.dataclass(frozen=True)
class Block:
    """Steps between two rounds of updates, and the setting that says how many."""

    steps: int
    name: str

    @staticmethod
    def of(learning: SacSettings) -> "Block":
        """Of a learner with a replay."""
        return Block(learning.train_every, "learning.train_every")


def check_schedule(steps: int, epoch: int, block: Block, *, within: str = "") -> None:
    """Refuses steps that are no whole number of epochs, and epochs that cut a block.

    Errors name the settings with `within` ("guide.") before them.
    """
    if epoch < block.steps or epoch % block.steps:
        raise HandrailError(
            f"{within}epoch is {epoch}: expected a positive multiple of {block.steps} "
            f"({within}{block.name})"
        )
    if steps < epoch or steps % epoch:
        raise HandrailError(
            f"{within}steps is {steps}: expected a positive multiple of {within}epoch, {epoch}"
        )
