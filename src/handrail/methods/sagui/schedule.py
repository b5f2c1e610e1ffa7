"""Steps of runs that learn in blocks and are looked at by epochs."""

import dataclasses

from handrail.core.errors import HandrailError
from handrail.methods.sagui.settings import GuideSettings, SacSettings


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


def check_patience(settings: GuideSettings, *, within: str = "") -> None:
    """Refuses a limit of the shield test that no training waits for."""
    if settings.patience == 1 and settings.shield_limit is not None:
        raise HandrailError(
            f"{within}shield_limit is {settings.shield_limit:g}, but {within}patience is 1: "
            f"training ends after its steps, whatever the test says; set {within}patience to 2 or "
            "more, or leave the limit out"
        )
