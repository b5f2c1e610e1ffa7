"""A finished student by itself, and with its intervention: the guide or shield stays in place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui.acting import intervention_of
from handrail.methods.sagui.cards import Limits
from handrail.methods.sagui.evaluations import evaluated, try_policy
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import StudentRun
from handrail.train.evaluate_pair import intervention_rate, try_under
from handrail.train.rollout.base import Drawn, Episodes

LEFT_OUT = ("episodes", "limit")  # of a pair's row: the student's row says them


def alone(target: Target, file: Path, *, episodes: int, seed: int) -> dict[str, Any]:
    """Return, cost and length of a student's policy in `file`, sampled, without its guide: means
    over whole episodes of the target's test environment, undiscounted.
    """
    card, policy = open_policy(file, target.interface, "policy")
    done = try_policy(
        target.testing, policy, episodes=episodes, longest=target.longest, key=jax.random.key(seed)
    )
    limit = Limits.read(card, source=str(file)).limit
    return evaluated(done, limit, target.interface.limits)


def with_guide(
    target: Target,
    run: StudentRun,
    files: Mapping[str, Path],
    file: Path,
    *,
    episodes: int,
    seed: int,
) -> dict[str, Any]:
    """The same of the student under the intervention of its run.

    The guide acts where the method says so, without the random intervals of training. `files` are
    those of the knowledge by kind. Raises `HandrailError` where the run has no intervention.
    """
    _, policy = open_policy(file, target.interface, "policy")
    done = try_under(
        target.testing, Drawn(Sampled(policy)), intervention_of(target, run, files),
        episodes=episodes, longest=target.longest, key=jax.random.key(seed),
    )  # fmt: skip
    return pair_row(done, run.limit, target.interface.limits)


def pair_row(
    done: Episodes, limit: float | None, limits: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """What `handrail evaluate --shielded` prints of the pair, as of `evaluated`, and the share of
    the steps in which the intervention acted.
    """
    found = evaluated(done, limit, limits)
    row = {f"shielded_{name}": value for name, value in found.items() if name not in LEFT_OUT}
    return {**row, "intervention_rate": intervention_rate(done)}
