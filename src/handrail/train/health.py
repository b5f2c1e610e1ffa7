"""Has learning diverged? Looked at after every chunk; what is found stops the run.

A run that diverged keeps its last good state as a checkpoint and says so in `diverged.json`.
Runs are deterministic, so one that is started again would diverge again: it is refused.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from handrail.core.errors import HandrailError
from handrail.core.files import read_json, write_json
from handrail.replay.base import AbstractReplayState

REPORT = "diverged.json"
MULTIPLIER_BOUND = 1e6
"""Healthy multipliers swing between 0 and some hundreds. Where no policy meets the limit they
grow without end, but at the default rates by at most 0.05 an update: 20 million updates."""
VALUE_BOUND = 1e8
"""Of a critic's mean value, discounted. Beyond it float32 no longer resolves the rewards of a
task; a strong pull towards a guide gives values of a million."""
BOUNDS = {"multiplier": MULTIPLIER_BOUND, "value": VALUE_BOUND}  # by the end of a metric's name
LOWEST_PARAMETER = -80.0
"""Of a multiplier β = softplus(θ): below it θ has no gradient left in float32, and β stays 0
however much is violated. Healthy ones sink to −35 in a million updates without any cost."""
_LISTED = 4  # symptoms in a message

_CAUSES = {
    "multiplier": "the multiplier's steps are too large, or no policy meets the limit: try a "
    "smaller learning rate or multiplier rate, or a higher limit",
    "parameter": "a step of the multiplier was so large that it can never rise again: try a "
    "smaller learning rate or multiplier rate",
    "value": "the critics run away from what they bootstrap: try a smaller learning rate or "
    "discount, or look at the scale of the rewards",
    "finite": "the steps of learning are too large: try a smaller learning rate",
}


class Diverged(HandrailError):
    """Learning produced a number that is not finite, or far outside what is healthy."""


@dataclasses.dataclass(frozen=True)
class Symptom:
    """A quantity that is not as it must be."""

    name: str
    value: float  # the worst of the chunk
    kind: str  # "finite", "parameter", or the entry of `BOUNDS` that was exceeded

    def __str__(self) -> str:
        if self.kind == "finite":
            return f"{self.name} is not finite"
        if self.kind == "parameter":
            return f"{self.name} reached {self.value:.3g} (allowed: {LOWEST_PARAMETER:g})"
        return f"{self.name} reached {self.value:.3g} (allowed: {BOUNDS[self.kind]:.0e})"


def symptoms(metrics: dict[str, Any], agent: PyTree) -> list[Symptom]:
    """What is wrong after a chunk: metrics with an entry a block, and the agent's state.

    Every metric and every number that is learnt must be finite; those named in `BOUNDS` must
    stay within them in every block. Replay memories (`AbstractReplayState`) are not looked at.
    """
    found = []
    for name, blocks in metrics.items():
        values = np.asarray(blocks)
        if not np.isfinite(values).all():
            found.append(Symptom(name, float("nan"), "finite"))
            continue
        for ending, bound in BOUNDS.items():
            if name.endswith(ending) and values.size and np.abs(values).max() > bound:
                worst = values.flat[np.abs(values).argmax()]
                found.append(Symptom(name, float(worst), ending))
    return found + _learnt(agent)


def _learnt(agent: PyTree) -> list[Symptom]:
    """What is wrong with the learnt arrays: numbers that are not finite, a stuck multiplier."""
    found = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(agent, is_leaf=_remembered):
        name = jax.tree_util.keystr(path).lstrip(".")
        if _remembered(leaf) or not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            continue
        values = np.asarray(leaf)
        if not np.isfinite(values).all():
            found.append(Symptom(name, float("nan"), "finite"))
        elif name.endswith("parameters.multiplier") and values.min() < LOWEST_PARAMETER:
            found.append(Symptom(name, float(values.min()), "parameter"))
    return found


def _remembered(part: Any) -> bool:
    """Memories hold what happened, whatever their names in an agent's state: nothing is learnt."""
    return isinstance(part, AbstractReplayState)


def used_up(state: PyTree) -> bool:
    """Whether a loop has overwritten arrays of a state that was passed to it."""
    return any(isinstance(leaf, jax.Array) and leaf.is_deleted() for leaf in jax.tree.leaves(state))


def report(
    folder: Path,
    found: list[Symptom],
    *,
    begin: int,
    end: int,
    before: dict[str, float],
    kept: Path,
) -> Diverged:
    """Writes `diverged.json` and returns the error to be raised.

    The chunk from step `begin` to `end` diverged; `before` are the means of the one before it,
    and `kept` is where the last good state lies.
    """
    names = [symptom.name for symptom in found]
    last = {name: value for name, value in before.items() if np.isfinite(value)}
    told = ", ".join(str(symptom) for symptom in found[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    healthy = ", ".join(f"{name} {last[name]:.3g}" for name in names[:_LISTED] if name in last)
    healthy = f" (until then: {healthy})" if healthy else ""
    kinds = dict.fromkeys(symptom.kind for symptom in found)
    # What exceeded its bound comes before what is no longer a number, which it ends in.
    cause = _CAUSES[min(kinds, key=lambda kind: list(_CAUSES).index(kind))]
    networks = sorted(path.name for path in folder.glob("*.safetensors"))
    best = f"; kept by evaluation: {', '.join(networks)}" if networks else ""
    message = (
        f"learning diverged between steps {begin:,} and {end:,}: {told}{more}{healthy}. "
        f"Probably {cause}. The last good state is {kept.relative_to(folder)} in {folder}{best}"
    )
    write_json(
        folder / REPORT,
        {
            "message": message,
            "step": begin,
            "symptoms": [
                {"name": s.name, "kind": s.kind, "value": None if s.kind == "finite" else s.value}
                for s in found
            ],
            "before": last,
            "state": str(kept.relative_to(folder)),
        },
    )
    return Diverged(message)


def refuse_diverged(folder: Path) -> None:
    """Raises `Diverged` for a folder whose run has diverged, with what was said then."""
    path = folder / REPORT
    if path.exists():
        raise Diverged(
            f"this run has diverged and would again: {read_json(path).get('message')}. Choose "
            f"other settings and another folder; to go on all the same, delete {path}"
        )
