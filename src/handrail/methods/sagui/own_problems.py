"""Environments of the user's with real actions as sources and targets of the methods."""

from typing import Any

from handrail.envs.gymnasium.bonus import BonusFn, with_bonus
from handrail.envs.gymnasium.building import Host, shortened
from handrail.envs.gymnasium.unsafe_starts import START, UnsafeStart, with_unsafe_starts
from handrail.methods.sagui.presets import TAKEOVER_SHARES
from handrail.methods.sagui.problem import Source, Target, interface_of
from handrail.methods.sagui.shield import STEPS


def source_in(
    host: Host,
    trial: Host,
    longest: int,
    *,
    bonus: BonusFn | str | None,
    rescue_share: float,
    unsafe_start: UnsafeStart = START,
    name: str | None = None,
) -> Source:
    """Where a guide is trained (`host`) and tried (`trial`), in episodes of `longest` steps.

    `name` is that of the environment, if it is called otherwise than it says.
    """
    return Source(
        interface=interface_of(host, longest, name=name),
        training=with_bonus(with_unsafe_starts(host, rescue_share, unsafe_start), bonus),
        evaluation=with_bonus(trial, bonus),
        shield_test=shortened(trial, STEPS),
        longest=longest,
        takeover_shares=TAKEOVER_SHARES,
        delayed=False,
    )


def target_in(
    host: Host, trial: Host, longest: int, *, name: str | None = None, **options: Any
) -> Target:
    """Where a student is trained (`host`) and tested (`trial`), likewise; `options` are the fields
    of a target that the caller knows.
    """
    return Target(
        interface=interface_of(host, longest, name=name),
        training=host,
        testing=trial,
        longest=longest,
        delayed=False,
        copies=getattr(host, "copies", 1),
        **options,
    )
