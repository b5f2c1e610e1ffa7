"""What a saved file is, on the terminal: its card in words, and its arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.core.artifact import KINDS, Card
from handrail.core.plain_text import message
from handrail.experiments.schema import flat
from handrail.report.console import literal

UNITS = {
    "step": "kept at this step",
    "return": "per episode, undiscounted",
    "cost": "per episode, undiscounted",
    "length": "steps per episode",
    "unsafe_episodes": "share of episodes with any cost",
    "exit_cost": "per episode that begins in a hazard",
    "shielded_cost": "of the shield test, in as many steps as a limit is for",
    "shielded_share": "share of those steps that were its own",
    "shielded_above": "share of its episodes that cost more than the limit allows in their steps",
    "shielded_above_at_most": "upper bound of that share, with 95 % confidence",
    "takeover_cost": "discounted cost at which it took over there",
    "bellman_error": "discounted, on episodes that the critic was not fitted to",
    "bellman_error_fitted": "discounted, on those that it was",
    "predicted_cost": "discounted, mean where the policy acts",
    "incurred_cost": "discounted, what followed there",
    "limit": "cost of an episode",
    "limits": "cost of an episode",
}


def show(card: Card, arrays: Mapping[str, np.ndarray]) -> None:
    """Prints a card: what it is, what it fits, how it tested, how it came about, its arrays."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(literal(KINDS[card.kind], "bold"))
    training = dict(card.training)
    evaluation = training.pop("evaluation", None)
    settings = training.pop("settings", None)
    training.pop("probes", None)  # by which a policy is recognised: numbers for no reader
    sections: list[tuple[str, Any]] = [
        ("fits", card.spec),
        ("network", card.network),
        ("evaluation", evaluation),
        ("training", training),
        ("settings", settings),
    ]
    for title, values in sections:
        if not values:
            continue
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        table.add_column(style="dim")
        entries = flat(values) if isinstance(values, Mapping) else {"": values}
        for name, value in entries.items():
            of = name.partition(".")[0]  # one of several costs has the unit of one
            note = UNITS.get(of, "") if title in ("evaluation", "fits") else ""
            table.add_row(literal(message(f"  {name}")), literal(message(text(value))), note)
        console.print()
        console.print(literal(title, "bold"))
        console.print(table)
    parameters = sum(array.size for array in arrays.values())
    console.print()
    console.print(
        literal("arrays", "bold")
        + literal(
            f"  {parameters:,} numbers; checksum {card.checksum[:12]}… verified; "
            f"schema {card.schema}, handrail {message(card.library)}"
        )
    )
    for name, array in sorted(arrays.items()):
        console.print(literal(f"  {message(name)}  {array.dtype}{list(array.shape)}"))


def text(value: Any) -> str:
    """A value as people read it: four significant digits, thousands apart."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " × ".join(map(str, value)) if all(type(v) is int for v in value) else str(value)
    return str(value)
