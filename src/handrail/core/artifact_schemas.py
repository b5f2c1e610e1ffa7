"""What an artefact's checksum is over, and how cards of earlier schemas become later ones."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.core import artifact_arrays
from handrail.core.renamed import current_column
from handrail.core.strict_json import plain_json

LAST_OF_ARRAYS = 1
"""The last schema whose checksum is over the arrays alone, not over the card."""
_READ = ("foreseen", "guarded")
"""How those entries of an evaluation begin that are more than a record: others decide by them."""


def checksum(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over a card's values, but for the checksum among them, and over the arrays."""
    rest = {name: value for name, value in values.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True)
    digest = hashlib.sha256(b"handrail card and arrays\n")
    digest.update(f"{text}\n{artifact_arrays.checksum(arrays)}".encode())
    return digest.hexdigest()


def from_1(values: dict[str, Any]) -> dict[str, Any]:
    """A card of schema 2 from one of schema 1, which keeps its checksum.

    Schema 1 recorded a mean of nothing as NaN among what an evaluation came to; schema 2 has null,
    and today's names of what a shield test came to.
    """
    training = values.get("training")
    if not isinstance(training, dict):
        return values | {"schema": 2}
    evaluation = training.get("evaluation")
    if isinstance(evaluation, dict):
        cleaned = {
            current_column(name): value if name.startswith(_READ) else plain_json(value)
            for name, value in evaluation.items()
        }
        values = values | {"training": {**training, "evaluation": cleaned}}
    return values | {"schema": 2}
