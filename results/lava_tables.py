"""Tables of lava: final return and violations beside what was published."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from handrail.experiments.schema import read
from handrail.report.stats import bootstrap, mean
from results.tables import markdown, spread, summary

ENVIRONMENTS = ("LavaCrossingS9N1", "LavaCrossingS9N2", "LavaCrossingS9N3")
LABELS = {
    "dqn": "DQN",
    "priors-0.5": "domain prior, ρ = 0.5",
    "priors-0.95": "domain prior, ρ = 0.95",
    "ae": "auto-encoder without contrast",
    "vae": "variational auto-encoder",
    "full": "contrastive, paper's settings",
    "recommended": "**contrastive, our preset**",
}


def values(experiment: str, variant: str, environment: str, quantity: str) -> list[float]:
    """One value a seed."""
    found = [
        float(row[quantity])
        for row in summary("lava", experiment)
        if (row["variant"], row["environment"]) == (variant, environment)
    ]
    if not found:
        raise KeyError(f"{experiment}: no runs of {variant} on {environment}")
    return found


def returns(labels: Mapping[str, str]) -> str:
    """`lava-returns`: interquartile means with 95 % intervals, published values in italics."""
    experiment = read("lava-returns")
    columns = [
        "",
        *(f"return {name[-4:]}" for name in ENVIRONMENTS),
        *(f"violations {name[-4:]}" for name in ENVIRONMENTS),
    ]
    rows = []
    for variant, label in labels.items():
        row = [label]
        for quantity, digits in (("final_return", 2), ("violations", 0)):
            published = experiment.published[quantity].get(variant, {})
            for environment in ENVIRONMENTS:
                own = bootstrap(values("lava-returns", variant, environment, quantity))
                text = own.text(digits)
                said = f" *{published[environment]:g}*" if environment in published else ""
                row.append(text + said)
        rows.append(row)
    return markdown(columns, rows)


def one(
    experiment: str, quantity: str, digits: int, labels: Mapping[str, str],
    environments: Sequence[str] = ENVIRONMENTS,
) -> str:  # fmt: skip
    """One quantity: interquartile means with 95 % intervals, published values in italics.

    Of returns also how many runs end below 0.1.
    """
    published = read(experiment).published.get(quantity, {})
    ends = ["runs that end below 0.1"] if quantity == "final_return" else []
    rows = []
    for variant, label in labels.items():
        found = [values(experiment, variant, name, quantity) for name in environments]
        said = [published.get(variant, {}).get(name) for name in environments]
        cells = [
            bootstrap(own).text(digits) + ("" if theirs is None else f" *{theirs:,g}*")
            for own, theirs in zip(found, said, strict=True)
        ]
        runs = [value for own in found for value in own]
        low = [f"{sum(value < 0.1 for value in runs)} of {len(runs)}"] if ends else []
        rows.append([label, *cells, *low])
    return markdown(["", *(name[-4:] for name in environments), *ends], rows)


def sweep(experiment: str, first: str, environment: str) -> str:
    """Return, violations and interventions of every value of one setting; means over its seeds."""
    rows = []
    for variant in read(experiment).variants:
        quantities = ("final_return", "violations", "intervention_rate")
        earned, unsafe, acted = (
            values(experiment, variant, environment, name) for name in quantities
        )
        cells = [f"{np.mean(unsafe):,.0f}", f"{100 * np.mean(acted):.0f} %"]
        rows.append([variant, str(len(earned)), spread(earned, 2), *cells])
    columns = [first, "runs", "final return", "violations, mean", "steps with an intervention"]
    return markdown(columns, rows)


KNOWLEDGE = {f"knowledge of seed {seed}": f"**knowledge of seed {seed}**" for seed in (1, 2)}
FRESH = {"recommended": "**contrastive, our preset**", "dqn, γ = 0.95": "DQN, γ = 0.95"}


RIVERS = ("LavaCrossingS9N2", "LavaCrossingS9N3", "LavaCrossingS11N5")
WIDER = {
    "48 layouts of S9N2": "knowledge from 48 layouts of S9N2",
    "400 layouts": "from 400 of S9N2, and S9N1",
}


def failures(
    experiment: str, labels: Mapping[str, str], environments: Sequence[str] = ENVIRONMENTS
) -> str:
    """How many layouts fail, and the worst of them; a row a variant and an environment."""
    columns = [
        "", "task", "layouts", "final return, IQM [95 %]", "lowest", "below 0.9",
        "violations, mean [95 %]", "most",
    ]  # fmt: skip
    rows = []
    for variant, label in labels.items():
        for environment in environments:
            earned = values(experiment, variant, environment, "final_return")
            unsafe = values(experiment, variant, environment, "violations")
            rows.append(
                [
                    label,
                    environment.removeprefix("LavaCrossing"),
                    str(len(earned)),
                    bootstrap(earned).text(2),
                    f"{min(earned):.2f}",
                    f"{sum(value < 0.9 for value in earned)} of {len(earned)}",
                    bootstrap(unsafe, mean).text(0),
                    f"{max(unsafe):,.0f}",
                ]
            )
    return markdown(columns, rows)


def by_layout(experiment: str, labels: Mapping[str, str] | None = None) -> str:
    """Final return and violations of every layout, a column a variant; all variants unless said."""
    found = {
        (row["environment"][-4:], row["seed"], row["variant"]): (
            f"{float(row['final_return']):.2f} ({float(row['violations']):,.0f})"
        )
        for row in summary("lava", experiment)
    }
    shown = labels or {variant: variant for variant in read(experiment).variants}
    places = sorted({key[:2] for key in found})
    rows = [
        [" ".join(place), *(found.get((*place, variant), "–") for variant in shown)]
        for place in places
    ]
    return markdown(["final return (violations)", *shown.values()], rows)


GAMMA = {
    "γ = 0.9": "γ = 0.9", "γ = 0.95": "γ = 0.95", "γ = 0.97": "γ = 0.97",
    "γ = 0.99": "γ = 0.99 (the paper's)",
    "γ = 0.99, advantage learning": "γ = 0.99, advantage learning",
}  # fmt: skip
TRANSFER = {
    name: name for name in (
        "one layout, whole grid", "one layout", "one layout, adaptive", "many layouts",
        "many layouts, adaptive", "recommended",
    )
}  # fmt: skip
PIXELS = {
    "full, γ = 0.95, d_max = 1.2": "**full**, γ = 0.95, d_max = 1.2",
    "full": "full, the paper's γ and d_max",
    "dqn": "DQN, the paper's γ",
}
PARTS = {
    "neither": "neither check (DQN)", "state check only": "state check only",
    "action check only": "action check only", "full": "both, contrastive encoder",
    "vanilla loss": "both, plain auto-encoder", "VAE loss": "both, variational auto-encoder",
    "InfoNCE loss": "both, InfoNCE",
}  # fmt: skip

BRIEF = {label: LABELS[label] for label in ("dqn", "priors-0.95", "full", "recommended")}

LAVA_TABLES: dict[str, Callable[[], str]] = {
    "lava-returns": lambda: returns(LABELS),
    "lava-brief": lambda: returns(BRIEF),
    "lava-fresh": lambda: failures("lava-returns-fresh", FRESH),
    "lava-knowledge": lambda: failures("lava-knowledge-fresh", KNOWLEDGE),
    "lava-rivers": lambda: failures("lava-rivers-fresh", WIDER, RIVERS),
    "lava-exploration": lambda: by_layout("lava-exploration"),
    "lava-repeats": lambda: by_layout("lava-repeats"),
    "lava-pixels": lambda: by_layout("lava-pixels", PIXELS),
    "lava-violations": lambda: one("lava-returns", "violations", 0, LABELS),
    "lava-final-returns": lambda: one("lava-returns", "final_return", 2, LABELS),
    "lava-gamma": lambda: one(
        "lava-gamma", "final_return", 2, GAMMA, ("LavaCrossingS9N1", "LavaCrossingS9N3")
    ),
    "lava-distance": lambda: sweep("lava-distance", "d_max", "LavaCrossingS9N2"),
    "lava-ablation": lambda: one("lava-ablation", "violations", 0, PARTS),
    "lava-transfer-violations": lambda: one("lava-transfer", "violations", 0, TRANSFER),
    "lava-transfer-returns": lambda: one("lava-transfer", "final_return", 2, TRANSFER),
}


def _unsafe_on_fresh(variant: str) -> Callable[[], str]:
    """Mean violations on test layouts of S9N3."""
    environment = ENVIRONMENTS[-1]

    def told() -> str:
        found = values("lava-returns-fresh", variant, environment, "violations")
        return f"{np.mean(found):,.0f}"

    return told


def _on_fresh(variant: str, quantity: str) -> list[float]:
    """Of all test layouts."""
    return [
        value
        for environment in ENVIRONMENTS
        for value in values("lava-returns-fresh", variant, environment, quantity)
    ]


LAVA_NUMBERS: dict[str, Callable[[], str]] = {
    "fresh-lava-layouts": lambda: str(len(_on_fresh("recommended", "violations"))),
    "fresh-lava-lowest": lambda: f"{min(_on_fresh('recommended', 'final_return')):.2f}",
    "fresh-lava-most": lambda: f"{max(_on_fresh('recommended', 'violations')):,.0f}",
    "fresh-lava-unsafe": _unsafe_on_fresh("recommended"),
    "fresh-lava-unsafe-dqn": _unsafe_on_fresh("dqn, γ = 0.95"),
}
