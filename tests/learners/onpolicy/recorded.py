"""The numbers recorded from published on-policy implementations: all, or the subset kept here."""

import numpy as np

from tests.support import data, oracle, part


def recorded(name: str, source: str) -> dict[str, np.ndarray]:
    """`a_cpo_dual`, `a_cpo_policy` or `b_onpolicy`."""
    if source == "complete":
        return oracle(f"methods/{name}")
    return part(data("onpolicy"), name)
