"""Two rings, one for each actor, so that every batch has both in fixed shares.

The control-switch strategy of SaGui (arXiv:2307.14316): the guide acts rarely, and a uniform
draw from one memory would let its samples swamp or vanish.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.replay.base import AbstractReplay, AbstractReplayState, Sample
from handrail.replay.ring import Ring, RingState, check_capacity


class SplitState(AbstractReplayState):
    """What the student did, and what the guide did in its place."""

    student: RingState
    guide: RingState


class Split(AbstractReplay):
    """Half of `capacity` for each actor; a batch has `student_share` of the student's.

    A transition goes where its `intervened` says. Differs from the authors' scripts, which
    read the importance weight instead and so misfile a guide's sample whose ratio is exactly 1.
    """

    capacity: int = eqx.field(static=True)
    student_share: float = eqx.field(default=0.75, static=True)

    def __check_init__(self):
        check_capacity(self.capacity)
        if self.capacity < 2:
            raise HandrailError(f"split replay of capacity {self.capacity}: expected at least 2")
        if not 0 < self.student_share < 1:
            raise HandrailError(
                f"student's share of a batch is {self.student_share!r}: expected a number "
                "between 0 and 1, such as 0.75; for a batch from one memory use a ring"
            )

    @property
    def half(self) -> Ring:
        """The ring that each actor has."""
        return Ring(self.capacity // 2)

    def init(self, example: Transition) -> SplitState:
        return SplitState(self.half.init(example), self.half.init(example))

    def size(self, state: SplitState) -> Int[Array, ""]:
        return self.half.size(state.student) + self.half.size(state.guide)

    def ready(self, state: SplitState, n: int) -> Bool[Array, ""]:
        """Whether both actors have more than `n` samples: before, nothing should be learnt."""
        return (self.half.size(state.student) > n) & (self.half.size(state.guide) > n)

    def add(
        self, state: SplitState, item: Transition, *, where: bool | Bool[Array, ""] = True
    ) -> SplitState:
        return SplitState(
            student=self.half.add(state.student, item, where=where & ~item.intervened),
            guide=self.half.add(state.guide, item, where=where & item.intervened),
        )

    def shares(self, n: int) -> tuple[int, int]:
        """How many of `n` come from the student and from the guide."""
        student = int(self.student_share * n)
        return student, n - student

    def sample(
        self,
        state: SplitState,
        n: int,
        *,
        beta: float | Float[Array, ""] = 1.0,
        key: Key[Array, ""],
    ) -> Sample:
        """The student's samples first; slots of the guide are counted from `capacity // 2`."""
        keys = jax.random.split(key)
        students, guides = self.shares(n)
        student = self.half.sample(state.student, students, key=keys[0])
        guide = self.half.sample(state.guide, guides, key=keys[1])
        guide = eqx.tree_at(lambda s: s.indices, guide, guide.indices + self.half.capacity)
        return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), student, guide)

    def observations(self, state: SplitState) -> tuple[PyTree, Bool[Array, " rows"]]:
        each = self.half.observations(state.student), self.half.observations(state.guide)
        return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), *each)
