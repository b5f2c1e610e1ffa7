"""Would a method do what is said of its takeovers?"""

from handrail.core.errors import HandrailError
from handrail.methods.sagui.table import METHODS, StudentMethod
from handrail.methods.sagui.takeover_settings import PLAIN, TakeoverSettings


def check_takeover(
    method: StudentMethod,
    how: TakeoverSettings,
    *,
    threshold: float | None = None,
    takeover_cost: float | None = None,
) -> None:
    """Refuses what was said of a takeover where the method would not do it; None is not said."""
    if how != PLAIN and not method.predicts:
        offered = ", ".join(name for name, row in METHODS.items() if row.predicts)
        raise HandrailError(
            f"takeover is {how}, but under {method.name!r} no guide's critic says when it takes "
            f"over: leave it out, or take one of {offered}"
        )
    for name, given in (("threshold", threshold), ("takeover_cost", takeover_cost)):
        if given is None or method.has_threshold:
            continue
        if method.by_limit:
            raise HandrailError(
                f"{name} is {given:g}, but under {method.name!r} the predicted cost of the "
                f"episode is compared with the limit itself: leave {name} out, and give limit"
            )
        offered = ", ".join(name for name, row in METHODS.items() if row.has_threshold)
        raise HandrailError(
            f"{name} is {given:g}, but under {method.name!r} no predicted cost is compared with "
            f"it: leave it out, or take one of {offered}"
        )
