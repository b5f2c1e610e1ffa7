"""Tables of lava: final return and violations beside what was published."""

from collections.abc import Callable

from tables import markdown, summary

from handrail.experiments.schema import read
from handrail.report.stats import bootstrap

ENVIRONMENTS = ("LavaCrossingS9N1", "LavaCrossingS9N2", "LavaCrossingS9N3")
LABELS = {
    "dqn": "DQN",
    "priors-0.5": "domain prior, ρ = 0.5",
    "priors-0.95": "domain prior, ρ = 0.95",
    "ae": "auto-encoder without contrast",
    "vae": "variational auto-encoder",
    "full": "contrastive, paper's settings",
    "recommended": "**contrastive, recommended preset**",
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


def returns() -> str:
    """`lava-returns`: interquartile means with 95 % intervals, published values in italics."""
    experiment = read("lava-returns")
    columns = [
        "",
        *(f"return {name[-4:]}" for name in ENVIRONMENTS),
        *(f"violations {name[-4:]}" for name in ENVIRONMENTS),
    ]
    rows = []
    for variant, label in LABELS.items():
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


LAVA_TABLES: dict[str, Callable[[], str]] = {"lava-returns": returns}
LAVA_NUMBERS: dict[str, Callable[[], str]] = {}
