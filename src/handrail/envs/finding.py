"""What was found of an environment, rule by rule."""

import dataclasses
from typing import Literal

Status = Literal["ok", "wrong", "note"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found of one rule; the message of a wrong one says what to fix."""

    rule: str
    status: Status
    message: str
