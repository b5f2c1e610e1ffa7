"""The names under which a run's numbers appear elsewhere: those that CleanRL and others use."""

from collections.abc import Mapping

from handrail.core.records import ONE_OF_SEVERAL

EPISODE = {
    "return": "charts/episodic_return",
    "cost": "charts/episodic_cost",
    "length": "charts/episodic_length",
    "interventions": "safety/episodic_interventions",
}
SPEED = "charts/SPS"


def of_episode(row: Mapping[str, float]) -> dict[str, float]:
    """A row of `episodes.csv`: return, cost (undiscounted), length and interventions; each of
    several costs as `charts/episodic_cost/…`.
    """
    several = {
        f"{EPISODE['cost']}/{name.removeprefix(ONE_OF_SEVERAL)}": value
        for name, value in row.items()
        if name.startswith(ONE_OF_SEVERAL)
    }
    return {EPISODE[name]: value for name, value in row.items() if name in EPISODE} | several


def of_progress(row: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """A row of `progress.csv`, given the row before it (empty for the first).

    `safety/intervention_rate` is the share of steps since the row before in which the
    intervention acted; `safety/cumulative_cost` counts from the beginning of the run.
    """
    steps = row["step"] - before.get("step", 0.0)
    found: dict[str, float] = {}
    if "cost" in row:
        found["safety/cumulative_cost"] = row["cost"]
    if "interventions" in row and steps > 0:
        since = row["interventions"] - before.get("interventions", 0.0)
        found["safety/intervention_rate"] = since / steps
    if "episodes" in row:
        found["charts/episodes"] = row["episodes"]
    return found | {of_metric(name): value for name, value in row.items() if "/" in name}


def of_metric(name: str) -> str:
    """`losses/…` for every loss, whatever group it was recorded in; other names stay."""
    group, _, rest = name.partition("/")
    if group == "losses" or "loss" not in rest:
        return name
    return f"losses/{group}" if rest == "loss" else f"losses/{rest}"


def of_evaluation(row: Mapping[str, float]) -> dict[str, float]:
    """A row of `evaluations.csv`."""
    return {f"evaluation/{name}": value for name, value in row.items() if name != "step"}
