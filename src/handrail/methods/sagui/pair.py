"""A finished student: who acts in its place, and how it does by itself and together with that."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.interventions.base import Intervention
from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui.cards import Limits
from handrail.methods.sagui.evaluations import evaluated, try_policy
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.student_knowledge import FittedKnowledge, as_tested, load_knowledge
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_student import check, who_acts
from handrail.train.evaluate_pair import try_under
from handrail.train.rollout.base import Drawn, Episodes

LEFT_OUT = ("episodes", "limit")  # of a pair's row: the student's row says them


def acts_instead(method: str) -> str:
    """What acts in a student's place under a method, in words; empty where nothing does."""
    row = METHODS[method]
    return "the guide" if row.has_guide else "the expert" if "expert" in row.needs else ""


def intervention_of(target: Target, run: StudentRun, files: Mapping[str, Path]) -> Intervention:
    """The intervention of a run, without the random intervals in which a guide acts too.

    `files` are those of its knowledge by kind. Raises `HandrailError` where knowledge is missing
    or does not fit.
    """
    loaded = FittedKnowledge(Known())
    if acts_instead(run.method):
        check(run, files)
        run = as_tested(run)
        loaded = load_knowledge(target, run, files)
    return who_acts(target, run, loaded)


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
    return {**row, "intervention_rate": done.intervention_rate}
