"""How long episodes of a task are, and where they may begin in danger."""

from handrail.core.errors import HandrailError


def checked_length(
    usual: int,
    given: int | None,
    *,
    starts: object | None,
    in_source: bool,
    what: str = "rescue starts",
) -> int:
    """Steps of an episode: as given, or the task's usual ones. Refuses dangerous `starts`, called
    `what`, in a target.
    """
    if starts is not None and not in_source:
        raise HandrailError(
            f"{what} belong to the source, where mistakes are allowed: use task.source"
        )
    length = usual if given is None else given
    if length < 1:
        raise HandrailError(f"episode_length {length}: expected at least one step")
    return length
