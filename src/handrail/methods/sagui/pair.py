"""A student together with its intervention: what acts where the guide or shield stays in place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Array, Key

from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.methods.sagui.acting import intervention_of
from handrail.methods.sagui.evaluations import evaluated
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import StudentRun
from handrail.train.evaluate_pair import intervention_rate, try_under
from handrail.train.rollout.base import Drawn, Episodes

LEFT_OUT = ("episodes", "limit")  # of a pair's row: the student's row says them


def try_pair(
    target: Target,
    run: StudentRun,
    files: Mapping[str, Path],
    policy: OnVectors,
    *,
    episodes: int,
    key: Key[Array, ""],
) -> Episodes:
    """Whole episodes of a student's policy, sampled, under the intervention of its run.

    The guide acts where the method says so, without the random intervals of training. `files` are
    those of the knowledge by kind. Raises `HandrailError` where the run has no intervention.
    """
    intervention = intervention_of(target, run, files)
    return try_under(
        target.testing, Drawn(Sampled(policy)), intervention,
        episodes=episodes, longest=target.longest, key=key,
    )  # fmt: skip


def pair_row(
    done: Episodes, limit: float | None, limits: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """What `handrail evaluate --shielded` prints of the pair, as of `evaluated`, and the share of
    the steps in which the intervention acted.
    """
    found = evaluated(done, limit, limits)
    row = {f"shielded_{name}": value for name, value in found.items() if name not in LEFT_OUT}
    return {**row, "intervention_rate": intervention_rate(done)}
