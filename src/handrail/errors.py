"""The errors a user can cause: each names the value, what was expected and how to fix it."""


class HandrailError(Exception):
    """A mistake in the input. The command line prints it as one line and exits with code 2."""


class UnknownName(HandrailError):
    """A name that is not in a registry; lists the names that are.

    `close` is the name that may have been meant, by default the nearest of `known`.
    """

    def __init__(self, kind: str, name: str, known, *, close: str | None = None):
        import difflib

        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1) if close is None else [close]
        hint = f"did you mean {near[0]!r}? " if any(near) else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}")


def first_line(error: BaseException) -> str:
    """What an error of another library says, without its further lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
