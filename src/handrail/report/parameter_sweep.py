"""The report of experiments whose variants are named by the values of one setting.

How the guide leaves a hazard, what students cost while they learn, and what they can do in the end,
over that setting.
"""

from functools import partial

import numpy as np

from handrail.core.errors import HandrailError
from handrail.experiments.schema import Experiment
from handrail.report.figures import Sweep, sweep
from handrail.report.finished import Finished
from handrail.report.html import Block, Picture
from handrail.report.navigation_figures import kept_guides, navigation
from handrail.tasks.registry import short_name


def parameter_sweep(finished: Finished) -> list[Block]:
    """Exit cost, cost while learning and final values over the setting, a figure a task; then the
    curves.
    """
    setting, values = swept(finished.experiment)
    several = len(finished.seeds) > 1
    seeds = "interquartile means over seeds with 95 % intervals, and every seed"
    pictures = []
    for environment in finished.experiment.environments:
        task, limit = short_name(environment), finished.limit(environment)
        caption = (
            f"{task}, over {setting}: {seeds if several else 'one seed'}. Exit cost: of an episode "
            "of the source that begins inside a hazard. Target policy: the student alone, means "
            f"over the last three epochs. Dashed: the limit on an episode's cost, {limit:g}."
        )
        figure = partial(
            sweep,
            values,
            panels(finished, environment),
            xlabel=setting,
            interval="95 % interval" if several else "",
            width=2.6,
        )
        pictures.append(Picture(figure, caption, f"What comes of {setting}, {task}"))
    return [*pictures, *navigation(finished)]


def panels(finished: Finished, environment: str) -> list[Sweep]:
    """What is drawn of a task."""
    task, variants = short_name(environment), finished.experiment.variants

    def of_runs(quantity: str) -> dict[str, list[np.ndarray]]:
        return {task: [finished.values(variant, environment, quantity) for variant in variants]}

    exits = [
        np.array([kept["exit_cost"] for kept in kept_guides(finished, variant, environment)])
        for variant in variants
    ]
    limit = finished.limit(environment)
    return [
        Sweep("the guide's exit cost", {task: exits}),
        Sweep("total cost while learning", of_runs("total_cost"), log=True),
        Sweep("return, target policy", of_runs("target_return")),
        Sweep("cost, target policy", of_runs("target_cost"), limit=limit, log=True),
    ]


def swept(experiment: Experiment) -> tuple[str, list[float]]:
    """The one setting in which the variants differ, and its values in their order.

    Raises `HandrailError` if they differ in more than one, or in what is no number.
    """
    variants = experiment.variants.values()
    names = dict.fromkeys(name for own in variants for name in own)
    found = {name: [own.get(name) for own in variants] for name in names}
    differing = {name: values for name, values in found.items() if len(set(map(str, values))) > 1}
    if len(differing) == 1:
        [(name, values)] = differing.items()
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if len(numbers) == len(values):
            return name, numbers
    raise HandrailError(
        f"{experiment.name}: its variants differ in {sorted(differing) or 'nothing'}; a report of "
        "the kind 'parameter-sweep' needs one setting, with a number in every variant"
    )
