"""The preset `recommended`: it changes students with a guide, and nothing that they bring along."""

import pytest

from handrail.errors import HandrailError
from handrail.experiments.navigation.rows import complete

TASK = {"environment": "navigation-static"}


def test_a_student_with_a_guide_is_gentle_and_its_guide_stays_the_papers():
    row = complete({**TASK, "method": "budget-switch", "preset": "recommended"})
    paper = complete({**TASK, "method": "budget-switch"})
    assert (row.run.density, row.run.threshold) == ("exact", 0.5)
    assert row.run.learning.multiplier_rate == 1.0
    assert paper.run.learning.multiplier_rate == 50.0
    assert row.guide == paper.guide


@pytest.mark.parametrize("method", ["sac", "sac-pre", "egpo"])
def test_baselines_keep_the_papers_settings(method):
    assert complete({**TASK, "method": method, "preset": "recommended"}) == complete(
        {**TASK, "method": method}
    )


def test_what_is_given_wins_over_the_preset():
    given = {"learning.multiplier_rate": 5.0, "density": "authors"}
    row = complete({**TASK, "method": "control-switch", "preset": "recommended", **given})
    assert (row.run.learning.multiplier_rate, row.run.density) == (5.0, "authors")
    assert row.guide is not None and row.guide.learning.multiplier_rate == 5.0


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(HandrailError, match="preset is 'best'"):
        complete({**TASK, "method": "sac", "preset": "best"})
