"""Options that several commands have."""

from itertools import chain
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from handrail.experiments.schema import Portion

Device = Annotated[
    str | None,
    tyro.conf.arg(
        help="Where to compute: cpu, gpu, gpu:1, …; by default HANDRAIL_DEVICE, else cpu."
    ),
]
Repeatable = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction]
"""Several words, after one flag or after one each: none of them is dropped."""


def portion_of(
    budget: str, seeds: int | None, variants: Repeatable, environments: Repeatable
) -> "Portion":
    """What of an experiment the options of a command name."""
    from handrail.experiments.schema import Portion

    return Portion(budget, seeds, tuple(chain(*variants)), tuple(chain(*environments)))
