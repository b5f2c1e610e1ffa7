"""A row of an experiment in environments of the user's, completed."""

from collections.abc import Mapping
from typing import Any

from handrail.core.arguments import checked, override
from handrail.core.errors import HandrailError, UnknownName
from handrail.methods.sagui.acquired import guide_share
from handrail.methods.sagui.presets import OWN_GUIDE, own_student
from handrail.methods.sagui.schedule import Block, check_schedule
from handrail.methods.sagui.table import METHODS, block_of
from handrail.methods.sagui.unread import check_takeover, refuse_physics, refuse_unread
from handrail.tasks.family import Row, each_seed, grouped
from handrail.tasks.own.problems import check_names, limit_of
from handrail.tasks.own.settings import OwnGuide, OwnSourceEncoder, OwnStudent, world_of

OFFERED = tuple(name for name, row in METHODS.items() if set(row.needs) <= {"guide", "encoder"})
"""Methods that need no more than a guide, and an encoder of its source."""
STEPS, EPOCH = 100_000, 10_000
LIMITED = ("", "guide.", "prior.", "encoder.")
NAVIGATION = {
    "bonus": "what is rewarded is guide.bonus_fn",
    "outside": "handrail knows no border of your environment",
    "rescue.max_speed": "its reset says what an episode in danger begins with",
    "rescue.max_turn_rate": "its reset says what an episode in danger begins with",
    "copies": "several side by side are a function that builds a gymnasium.vector.VectorEnv",
}
"""Settings of guides in handrail's own tasks, and why no guide here reads them."""


def resolve(settings: Mapping[str, Any]) -> Row:
    """Reads a row's dotted settings: those of the run, `guide.…` and `encoder.…`.

    `limits.NAME` is the limit of a cost with this name. The guide learns in `guide.environment`, by
    default the run's, for a fifth of its limit (a step, where both lengths of episodes are given)
    unless `guide.limit` or `guide.limit_fraction` is given; an encoder, where the method has one,
    in `encoder.environment`, by default the guide's. `guides = "each"` (the default) gives every
    seed its own of both; `"one"` shares those of seed 0. `learning.…` is the student's,
    `guide.learning.…` the guide's.
    """
    given, groups = grouped(with_limits(settings), ("guide", "encoder"))
    each = each_seed(given, "guides")
    method = given.setdefault("method", "budget-switch")
    if method not in OFFERED:
        raise UnknownName("method for your environments", str(method), OFFERED)
    chosen = {"method": method, "steps": STEPS, "epoch": EPOCH, "test_episodes": 10}
    base = own_student(override(OwnStudent(), chosen))
    run = checked(override(base, _with_epoch(given)))
    if run.copies > 1:
        raise HandrailError(
            f"copies is {run.copies}: for several side by side name a function that builds a "
            "gymnasium.vector.VectorEnv, and leave copies out"
        )
    row = METHODS[method]
    check_takeover(row, run.takeover)
    refuse_unread(row, given, source_data=run.source_data)
    check_names(run)
    if bool(run.limit) == bool(run.limits):
        raise HandrailError(
            "give either limit, the expected undiscounted cost of an episode that is allowed "
            "(such as limit=5.0), or a limit for each named cost (such as limits.heat=5.0); "
            "methods for discrete actions, such as --method dqn, have none"
        )
    run = override(run, {"limit": limit_of(run)})
    check_schedule(run.steps, run.epoch, block_of(run))
    if not row.needs_guide:
        return Row(run, {})
    seed = run.seed if each else 0
    guide = _guide(run, groups["guide"], seed=seed)
    if "encoder" not in row.needs:
        return Row(run, {"guide": guide})
    own = {**world_of(guide), "environment": guide.environment, "seed": seed, **groups["encoder"]}
    encoder = checked(override(OwnSourceEncoder(), own, within="encoder."))
    check_names(encoder)
    return Row(run, {"guide": guide, "encoder": encoder})


def _guide(run: OwnStudent, given: Mapping[str, Any], *, seed: int) -> OwnGuide:
    share, given = guide_share(given)
    share *= _relative_length(run, given)
    for name in NAVIGATION.keys() & given.keys():
        raise HandrailError(
            f"guide.{name} is {given[name]!r}, but {NAVIGATION[name]}: leave guide.{name} out"
        )
    common = world_of(run)
    if run.limits:
        common["limits"] = tuple(_scaled(entry, share) for entry in run.limits)
    ours = {
        **OWN_GUIDE, **common, "environment": run.environment, "seed": seed, "steps": STEPS,
        "epoch": EPOCH, "evaluation_episodes": 10, "shield_episodes": 20,
        "limit": share * run.limit,
    }  # fmt: skip
    base = override(OwnGuide(), ours)
    settings = checked(override(base, _with_epoch(given), within="guide."))
    where, here = ((own.environment, own.episode_length) for own in (settings, run))
    if where == here:  # elsewhere the limit of an episode may be one of another length
        settings = settings.accepted_by(run.limit)
    settings = override(settings, {"limit": limit_of(settings)})
    check_schedule(settings.steps, settings.epoch, Block.of(settings.learning), within="guide.")
    check_names(settings)
    refuse_physics(settings.robust, within="guide.")
    return settings


def _relative_length(run: OwnStudent, given: Mapping[str, Any]) -> float:
    """Steps of a guide's episode by those of its student's; 1 where they are not both given."""
    own = given.get("episode_length", run.episode_length)
    known = isinstance(own, int | float) and own > 0 and run.episode_length > 0
    return own / run.episode_length if known else 1.0


def with_limits(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`limits.heat = 5` as the entry "heat=5" of `limits`; so of what is acquired."""
    kept, found = {}, {}
    for name, value in settings.items():
        before, dot, cost = name.partition("limits.")
        if dot and before in LIMITED:
            found.setdefault(f"{before}limits", []).append(f"{cost}={value}")
        else:
            kept[name] = value
    return {**kept, **{name: sorted(entries) for name, entries in found.items()}}


def _scaled(entry: str, share: float) -> str:
    name, _, value = entry.partition("=")
    try:
        return f"{name}={share * float(value):g}"
    except ValueError:
        return entry  # refused where it is read


def _with_epoch(given: Mapping[str, Any]) -> dict[str, Any]:
    """With an epoch that divides the steps, if they are named and no epoch is."""
    steps = given.get("steps")
    if "epoch" in given or not isinstance(steps, int | float) or steps % 1 or steps < 1:
        return dict(given)
    fitting = [epoch for epoch in (EPOCH, 5_000, 2_000, 1_000) if steps % epoch == 0]
    return {**given, "epoch": fitting[0] if fitting else int(steps)}
