"""Data for a script element of a page: JSON that nothing in it can end or escape from."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


def script_data(value: Any) -> str:
    """`value` as JSON that is safe inside a script element.

    Scalars of NumPy and JAX become Python's; NaN and infinities, which JSON lacks, become null.
    """
    text = json.dumps(plain_data(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    # Nothing inside may end the script element or begin a comment or an entity; the two
    # separators are line ends to JavaScript.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def plain_data(value: Any) -> Any:
    """Mappings, sequences and scalars as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(name): plain_data(entry) for name, entry in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Sequence):
        return [plain_data(entry) for entry in value]
    if hasattr(value, "item"):
        return plain_data(value.item())
    return float(value) if math.isfinite(value) else None
