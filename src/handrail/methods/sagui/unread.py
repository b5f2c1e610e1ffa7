"""Would a method read what is said of it? What it would pass over in silence is refused."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.navigation.physics import FACTORS
from handrail.methods.sagui.on_policy_settings import OnPolicySettings
from handrail.methods.sagui.settings import RobustSettings
from handrail.methods.sagui.table import METHODS, StudentMethod
from handrail.methods.sagui.takeover_settings import PLAIN, TakeoverSettings


@dataclasses.dataclass(frozen=True)
class Reader:
    """Which methods read a setting, and what the others lack."""

    reads: Callable[[StudentMethod], bool]
    lacks: str


COMPARED = Reader(lambda row: row.has_threshold, "no predicted cost is compared with it")
PULLED = Reader(lambda row: row.has_guide, "there is no guide to distil from")
ACTORS = Reader(
    lambda row: row.has_guide or "expert" in row.needs,
    "nobody else acts whose actions would be learnt from",
)
READERS: Mapping[str, Reader] = {
    "threshold": COMPARED,
    "takeover_cost": COMPARED,
    "distil": PULLED,
    "distillation": PULLED,
    "density": ACTORS,
    "weighting": ACTORS,
    "strength": Reader(
        lambda row: row.strength is not None, "the pull towards the guide has another strength"
    ),
    "view": Reader(lambda row: row.has_guide, "there is no guide that sees a part"),
    "source_price": Reader(
        lambda row: row.needs_guide, "there is no guide beside which steps of its source are kept"
    ),
}
"""By the name of a setting; every method reads those that are not here, or `check` refuses them."""
SAYS_NOTHING = (None, False, "", "none")
"""Values, 0 among them, by which nothing is asked for."""
MOST = 8


def refuse_unread(
    method: StudentMethod, given: Mapping[str, Any], *, source_data: bool | None = None
) -> None:
    """Refuses what was `given` of a run, by name, where the method does not read it.

    `source_data` says whether steps of the source are learnt from; None: it is not known here.
    """
    for name, reader in READERS.items():
        value = given.get(name)
        if value in SAYS_NOTHING or reader.reads(method):
            continue
        said = f"{name} is {_shown(value)}, but under {method.name!r}"
        if method.by_limit and reader is COMPARED:
            raise HandrailError(
                f"{said} the predicted cost of the episode is compared with the limit itself: "
                f"leave {name} out, and give limit"
            )
        offered = [row.name for row in METHODS.values() if reader.reads(row)]
        more = ", …" if len(offered) > MOST else ""
        raise HandrailError(
            f"{said} {reader.lacks}: leave it out, or take one of {', '.join(offered[:MOST])}{more}"
        )
    price = given.get("source_price")
    if price not in SAYS_NOTHING and source_data is False:
        raise HandrailError(
            f"source_price is {_shown(price)}, but source_data is false, so that no steps of the "
            "source are learnt from: set source_data to true, or leave source_price out"
        )


def check_takeover(method: StudentMethod, how: TakeoverSettings) -> None:
    """Refuses what was said of a takeover where no guide's critic says when it takes over."""
    if how != PLAIN and not method.predicts:
        offered = ", ".join(name for name, row in METHODS.items() if row.predicts)
        raise HandrailError(
            f"takeover is {how}, but under {method.name!r} no guide's critic says when it takes "
            f"over: leave it out, or take one of {offered}"
        )


def refuse_on_policy(method: StudentMethod, given: OnPolicySettings, *, within: str = "") -> None:
    """Refuses settings of on-policy methods under others; `within` is "pretrained." in commands."""
    if method.agent is None and given != OnPolicySettings():
        raise HandrailError(
            f"settings of {within}on_policy are given, but method {method.name!r} learns from a "
            "replay: leave them out, or take an on-policy method, such as 'cpo'"
        )


def refuse_physics(robust: RobustSettings, *, within: str = "") -> None:
    """Refuses to vary the physics of the user's environment; `within` is "guide." in commands."""
    for name, spread in zip(FACTORS, robust.physical, strict=True):
        if spread:
            raise HandrailError(
                f"{within}robust.{name} is {spread:g}, but handrail does not know the physics of "
                "your environment: draw them in its reset, and leave this at 0"
            )


def _shown(value: Any) -> str:
    if isinstance(value, bool | str):
        return repr(value)
    return f"{value:g}" if isinstance(value, int | float) else "given"
