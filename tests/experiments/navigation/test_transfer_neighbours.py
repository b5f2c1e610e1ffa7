"""Nearest neighbours against a naive search, and shares of look-alikes that differ."""

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.transfer_check.neighbours import (
    Visited,
    balanced,
    compare_costs,
    compare_costs_to_go,
    nearest,
    only,
    spread,
    telling_parts,
)


def states(views, values, episodes=None) -> Visited:
    views = np.asarray(views, np.float32)
    episodes = np.arange(len(values)) if episodes is None else np.asarray(episodes)
    return Visited(views, np.asarray(values, float), episodes, int(episodes.max(initial=0)) + 1)


@pytest.mark.parametrize("same_task", [False, True])
@pytest.mark.parametrize("neighbours", [1, 3, 50])
def test_nearest_agrees_with_a_naive_search(neighbours, same_task):
    rng = np.random.default_rng(neighbours)
    queries = states(rng.normal(size=(600, 4)), np.zeros(600), rng.integers(0, 9, 600))
    known = states(rng.normal(size=(40, 4)), np.zeros(40), rng.integers(0, 9, 40))
    unit = np.array([1.0, 2.0, 0.5, np.inf])
    rows, distances = nearest(queries, known, unit, neighbours=neighbours, same_task=same_task)
    for i in range(0, 600, 37):
        gaps = (queries.views[i] - known.views) / unit
        expected = np.sqrt((gaps**2).sum(axis=1) / 3)
        if same_task:
            expected[known.episodes == queries.episodes[i]] = np.inf
        order = np.argsort(expected, kind="stable")[:neighbours]
        assert set(rows[i]) == set(order)
        np.testing.assert_allclose(distances[i], expected[order].mean(), rtol=1e-3)


def test_constant_coordinates_do_not_count():
    unit = spread(np.array([[1.0, 9.81], [3.0, 9.81]]))
    assert unit.tolist() == [1.0, np.inf]


def test_nothing_to_compare_with_is_an_error():
    with pytest.raises(HandrailError, match="no state was visited"):
        nearest(
            states([[0.0]], [0]), states(np.zeros((0, 1)), []), np.ones(1),
            neighbours=1, same_task=False,
        )  # fmt: skip


def test_no_queries_give_no_pairs():
    pairs, _ = compare_costs(
        states(np.zeros((0, 1)), []), states([[0.0]], [0]), np.ones(1), radius=1.0, same_task=False
    )
    assert np.isnan(pairs.missed.mean)


def test_costly_states_that_look_free():
    """Of three costly queries one has a free look-alike, and one has no look-alike at all."""
    known = states([[0.0], [1.0], [2.0]], [1, 0, 0])
    asked = states([[0.1], [1.1], [9.0], [2.1], [0.0]], [1, 1, 1, 0, 0])
    pairs, radius = compare_costs(asked, known, np.ones(1), radius=0.5, same_task=False)
    assert radius == 0.5
    assert pairs.missed.mean == 1 / 2
    assert pairs.alarms.mean == 1 / 2


def test_costs_to_go_are_compared_with_the_mean_of_the_neighbours():
    known = states(np.linspace(-0.1, 0.1, 10)[:, None], np.arange(10.0))
    asked = states([[0.0], [0.0], [50.0]], [4.5, 7.0, 99.0])
    gaps, _ = compare_costs_to_go(
        asked, known, np.ones(1), radius=1.0, tolerance=1.0, same_task=False
    )
    assert gaps.gap.mean == 1.25
    assert gaps.beyond.mean == 1 / 2
    assert gaps.worst == 2.5
    assert gaps.unfamiliar.mean == 1 / 3


def test_balanced_keeps_as_many_of_both_kinds():
    few = states(np.zeros((100, 1)), [1] * 4 + [0] * 96)
    kept = balanced(few, 10, np.random.default_rng(0))
    assert (kept.values > 0).sum() == 4 and (kept.values == 0).sum() == 10
    assert len(set(kept.episodes)) == 14  # without repetition


def test_the_parts_that_tell_costs_are_found():
    """Costs depend on the second part alone; the first is noise, the third repeats the second."""
    rng = np.random.default_rng(0)
    views = rng.normal(size=(900, 5))
    views[:, 4] = views[:, 2]
    seen = states(views, np.abs(views[:, 2]) < 0.5, np.arange(900) % 30)
    parts = {"noise": slice(0, 2), "danger": slice(2, 4), "twin": slice(4, 5)}
    assert telling_parts(seen, seen, np.ones(5), parts) == ("twin",)
    del parts["twin"]
    assert telling_parts(seen, seen, np.ones(5), parts) == ("danger",)


def test_only_some_parts_count():
    narrow = only(np.array([1.0, 2.0, 3.0]), [slice(1, 2)])
    assert narrow.tolist() == [np.inf, 2.0, np.inf]
