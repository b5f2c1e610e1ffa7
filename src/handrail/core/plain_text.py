"""Text from files and names, made safe for a terminal: nothing in it is obeyed."""

import unicodedata

MOST = 2_000
"""Characters of a one-line message."""
_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (also direction), surrogates, separators


def plain(text: object) -> str:
    """One line in which control and format characters are written as escapes, such as `\\x1b`."""
    return "".join(
        one if unicodedata.category(one) not in _OBEYED else one.encode("unicode_escape").decode()
        for one in str(text)
    )


def message(text: object, most: int = MOST) -> str:
    """As `plain`, cut to `most` characters, of which the last is then an ellipsis."""
    shown = plain(str(text)[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"
