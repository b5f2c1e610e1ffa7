"""A row of an experiment with discrete actions, in environments of the user's, completed."""

from collections.abc import Mapping
from typing import Any

from handrail.core.arguments import checked, override
from handrail.core.errors import HandrailError
from handrail.methods.contrastive.student import check_student, refuse_unread
from handrail.methods.contrastive.table import METHODS
from handrail.tasks.family import Row, each_seed, grouped
from handrail.tasks.own.discrete_settings import MaskedWorld, OwnDqn, OwnEncoder, OwnPrior
from handrail.tasks.own.problems import check_names
from handrail.tasks.own.resolve import with_limits
from handrail.tasks.own.settings import world_of

OFFERED = tuple(
    name
    for name, row in METHODS.items()
    if set(row.needs) <= {"prior", "encoder"} and row.agent is None
)
"""Methods that need no more than a prior and an encoder."""


def resolve_discrete(settings: Mapping[str, Any]) -> Row:
    """Reads a row's dotted settings: those of the run, `prior.…` and `encoder.…`.

    The encoder is trained in `encoder.environment`, by default the run's; the prior in
    `prior.sources`. Every seed acquires its own, or with `acquired = "one"` all share seed 0's.
    """
    given, groups = grouped(with_limits(settings), ("prior", "encoder", "guide"))
    each = each_seed(given, "acquired")
    run = checked(override(OwnDqn(), given))
    needs = METHODS[run.method].needs
    check_student(METHODS[run.method], run, dict.fromkeys(needs, True))
    refuse_unread(METHODS[run.method], run, given)
    check_names(run)
    common = {**world_of(run, MaskedWorld), "seed": run.seed if each else 0}
    acquired: dict[str, Any] = {}
    if "prior" in needs:
        acquired["prior"] = _prior({**common, **groups["prior"]})
    if "encoder" in needs:
        own = {"environment": run.environment, **common, **groups["encoder"]}
        acquired["encoder"] = checked(override(OwnEncoder(), own, within="encoder."))
    return Row(run, acquired)


def _prior(own: Mapping[str, Any]) -> OwnPrior:
    settings = checked(override(OwnPrior(), own, within="prior."))
    if settings.environment or not settings.sources:
        return settings
    return override(settings, {"environment": settings.sources[-1]})


def check_acquirable(run: OwnDqn, knowledge: Mapping[str, Any]) -> None:
    """Refuses knowledge that is to be acquired and cannot be, before anything is computed."""
    prior = knowledge.get("prior")
    if prior is not None and len(prior.sources) < 2:
        raise HandrailError(
            f"method {run.method!r} needs a prior, and prior.sources is {list(prior.sources)}: "
            "name at least two tasks with rewards, such as "
            'prior.sources=["my_package:one", "my_package:two"], since what only one task '
            "dislikes is not unsafe in general; or bring a file with --prior"
        )
    for settings in knowledge.values():
        check_names(settings)
