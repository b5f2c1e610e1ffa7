"""Data for a script element of a page: JSON that nothing in it can end or escape from."""

import json
from typing import Any

from handrail.core.strict_json import plain_json


def script_data(value: Any) -> str:
    """`value` as JSON that is safe inside a script element.

    Scalars of NumPy and JAX become Python's; NaN and infinities, which JSON lacks, become null.
    """
    text = json.dumps(plain_json(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    # Nothing inside may end the script element or begin a comment or an entity; the two
    # separators are line ends to JavaScript.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
