"""Which values of the cost critic a multiplier compares with the limit."""

from collections.abc import Callable

from jaxtyping import Array, Float

Batch = Float[Array, " batch"]
Constrained = Callable[[Batch, Batch], Batch]
"""(Q^c of the stored actions, Q^c of what the policy would do now) → those that count."""


def stored_actions(stored: Batch, present: Batch) -> Batch:
    """What was done (the authors' scripts).

    A guide that wanders safely fills the memory with steps that cost nothing, and a student that
    is dangerous by itself seems to keep the limit.
    """
    return stored


def present_actions(stored: Batch, present: Batch) -> Batch:
    """What the policy would do now, whoever acted then. Beyond the paper.

    So an action that is vetoed counts, and a student cannot lean on its guide.
    """
    return present
