"""The errors a user can cause: each names the value, what was expected and how to fix it."""


class HandrailError(Exception):
    """A mistake in the input. The command line prints it as one line and exits with code 2."""


class UnknownName(HandrailError):
    """A name that is not in a registry; lists the names that are."""

    def __init__(self, kind: str, name: str, known):
        import difflib

        known = sorted(known)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}")


def first_line(error: BaseException) -> str:
    """What an error of another library says, without its further lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
