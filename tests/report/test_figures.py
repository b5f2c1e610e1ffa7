"""Figures show every value they are given, and look the same every time."""

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.equations.interval import Interval
from handrail.experiments.schema import read
from handrail.report import density, figures, maps, style

STEPS = np.arange(0, 100, 10)


def band(level):
    return Interval(np.full(10, level), np.full(10, level - 0.1), np.full(10, level + 0.1))


def learning(**options):
    panel = figures.Panel(
        "S9N1", "return", {"dqn": (STEPS, band(0.5)), "mine": (STEPS, band(0.8))}, **options
    )
    return figures.curves([[panel, panel], [panel, panel]])


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_curves_draw_every_method_once_and_name_it():
    figure = learning(published={"dqn": ([50], [0.4])}, limit=0.3)
    assert labels(figure) == ["DQN", "mine", "published", "95 % interval"]
    axes = figure.axes[0]
    assert [line.get_color() for line in axes.lines[:2]] == ["#4A5560", "#0072B2"]
    assert len(axes.collections) == 2  # a band each
    assert figure.axes[2].get_xlabel() == "environment steps"
    assert figure.axes[0].get_ylabel() == "return"


def test_the_same_figure_gives_the_same_bytes():
    first = style.png(learning())
    assert first.startswith(b"\x89PNG")
    assert first == style.png(learning())
    for format in ("pdf", "svg"):
        assert style.vector(learning(), format) == style.vector(learning(), format)


def test_uneven_rows_are_refused():
    panel = figures.Panel("", "", {})
    with pytest.raises(HandrailError, match="equally many"):
        figures.curves([[panel], [panel, panel]])


def test_known_methods_keep_their_colour_and_nobody_shares_one():
    alone = style.looks(["full"])["full"]
    assert style.looks(["x", "y", "FULL"])["FULL"] == alone
    crowd = style.looks(["full", "control-switch", "dqn", "scratch", "a", "b"])
    static = style.looks(read("sagui-static").variants)
    assert len({(look.color, look.marker) for look in static.values()}) == len(static)
    assert len({look.color for look in crowd.values()}) == len(crowd)
    assert crowd["control-switch"].label == "SaGui, control-switch"


def test_a_variant_of_a_method_looks_like_it_unless_the_method_is_there():
    plain = style.looks(["budget-switch"])["budget-switch"]
    (own,) = style.looks(["budget-switch, held"]).values()
    assert (own.label, own.color, own.marker) == ("budget-switch, held", plain.color, plain.marker)
    both = style.looks(["budget-switch, held", "budget-switch"])
    assert both["budget-switch"] == plain
    assert both["budget-switch, held"].color != plain.color


@pytest.mark.parametrize("variants", [range(70), read("sagui-ablation").variants], ids=len)
def test_with_more_names_than_colours_nobody_shares_colour_and_marker(variants):
    chosen = style.looks(map(str, variants)).values()
    assert len({(look.color, look.marker) for look in chosen}) == len(variants)
    assert len({look.color for look in chosen}) == 10  # all are taken before one is taken twice


def test_bars_show_values_and_published_markers():
    interval = Interval(0.9, 0.8, 1.0)
    figure = figures.bars(
        [figures.Bars("return", {"S9N1": {"dqn": interval}, "S9N2": {}}, {"S9N1": {"dqn": 0.57}})]
    )
    axes = figure.axes[0]
    assert [patch.get_height() for patch in axes.patches] == [0.9]
    assert axes.lines[0].get_ydata().tolist() == [0.57]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["S9N1", "S9N2"]
    assert labels(figure) == ["DQN", "published", "95 % interval"]


def test_log_panels_keep_zero_and_leave_room_on_top():
    figure = figures.bars(
        [figures.Bars("n", {"a": {"dqn": Interval(1000.0, 0.0, 1100.0)}}, log=True)]
    )
    low, high = figure.axes[0].get_ylim()
    assert low == 0 and high > 1100


def test_a_line_at_zero_lies_above_the_axis():
    never = Interval(np.zeros(3), np.zeros(3), np.zeros(3))
    panel = figures.Panel("", "cost", {"dqn": (np.arange(3), never)}, log=True)
    (axes,) = figures.curves([[panel]]).axes
    low, _ = axes.get_ylim()
    assert -0.5 < low < 0


def test_sweep_marks_the_chosen_value():
    scores = [np.array([level, level + 0.1]) for level in STEPS]
    panels = [figures.Sweep(label, {"S9N1": scores}) for label in ("final return", "violations")]
    figure = figures.sweep(STEPS, panels, xlabel="d_max", chosen=20)
    assert [ax.get_ylabel() for ax in figure.axes] == ["final return", "violations"]
    assert {text.get_text() for ax in figure.axes for text in ax.texts} == {"paper: 20"}
    style.png(figure)


def test_a_sweep_draws_every_run_and_a_line_through_their_middle():
    scores = [np.array([1.0, 2.0, 6.0]), np.array([]), np.array([0.0, np.nan, 4.0])]
    panel = figures.Sweep("cost", {"static": scores}, limit=5.0)
    (axes,) = figures.sweep((0.0, 0.5, 1.0), [panel], xlabel="share").axes
    line, *points, limit = axes.lines
    assert line.get_xdata().tolist() == [0.0, 1.0], "nothing is drawn where nothing is known"
    assert line.get_ydata().tolist() == [3.0, 2.0]
    assert [own.get_ydata().tolist() for own in points] == [[1.0, 2.0, 6.0], [0.0, 4.0]]
    assert limit.get_ydata() == [5.0, 5.0] and axes.get_xlabel() == "share"


def test_heatmap_shares_one_scale_and_outlines_lava():
    lava = np.zeros((3, 4), dtype=bool)
    lava[1, 1:3] = True
    few, many = np.ones((3, 4)), np.full((3, 4), 500)
    few[0, 0] = 0
    panels = [
        maps.VisitMap("a", few, lava, goal=(3, 2), start=(0, 0)),
        maps.VisitMap("b", many, lava),
    ]
    figure = maps.heatmap(panels)
    images = [ax.images[0] for ax in figure.axes[:2]]
    assert {image.norm.vmax for image in images} == {500}
    assert images[0].get_array().mask[0, 0] and not images[0].get_array().mask[0, 1]
    # Two cells side by side have a border of six edges; the one between them is not drawn.
    edges = [line for line in figure.axes[1].lines if len(line.get_xdata()) == 2]
    assert len(edges) == 6
    style.png(figure)


def test_heatmap_refuses_mismatched_masks():
    with pytest.raises(HandrailError, match="shapes"):
        maps.heatmap([maps.VisitMap("a", np.zeros((2, 2)), np.zeros((3, 2)))])


def test_scatter_splits_by_safety():
    points = np.arange(10.0).reshape(5, 2)
    figure = maps.scatter([maps.EmbeddingMap("a", points, np.asarray([1, 0, 0, 1, 0]))])
    assert [len(part.get_offsets()) for part in figure.axes[0].collections] == [3, 2]
    with pytest.raises(HandrailError, match="expected"):
        maps.scatter([maps.EmbeddingMap("a", points.T, np.zeros(5))])


def test_principal_components_keep_distances_in_a_plane():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(30, 2)) @ np.asarray([[3.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0]])
    first, second = maps.principal_components(plane[:10], plane[10:])
    assert first.shape == (10, 2) and second.shape == (20, 2)
    projected = np.concatenate([first, second])
    np.testing.assert_allclose(
        np.linalg.norm(projected[:, None] - projected[None], axis=-1),
        np.linalg.norm(plane[:, None] - plane[None], axis=-1),
        atol=1e-9,
    )


def test_densities_are_relative_to_equal_time_everywhere():
    visits = np.zeros((4, 4))
    visits[0, 3] = 30  # least y, greatest x
    visits[3, 0] = 10
    hazards = np.zeros((1, 2))
    figure = density.densities([density.Density("guide", visits, 1.5, hazards, 0.7)] * 2)
    image = figure.axes[0].images[0]
    shown = np.ma.filled(image.get_array(), np.nan)
    assert shown[0, 3] == 12.0 and shown[3, 0] == 4.0 and np.isnan(shown).sum() == 14
    assert image.origin == "lower"
    assert labels(figure) == ["hazard", "extents", "blank: never visited"]
    assert sum(patch.get_linestyle() == "--" for patch in figure.axes[0].patches) == 1
    with pytest.raises(HandrailError, match="at least one"):
        density.densities([])


def test_curves_of_one_run_have_no_band_in_the_legend():
    panel = figures.Panel("S9N1", "return", {"dqn": (STEPS, band(0.5))})
    assert labels(figures.curves([[panel]], interval="")) == ["DQN"]


def test_a_figure_for_dark_pages_has_no_light_paper_and_no_dark_ink():
    from matplotlib.colors import to_hex

    figure = learning(limit=0.3)
    light = style.png(figure)
    assert style.in_the_dark(figure) != light
    axes = figure.axes[0]
    assert to_hex(figure.get_facecolor()) == to_hex(axes.get_facecolor()) == style.DARK["#ffffff"]
    assert to_hex(axes.title.get_color()) == style.DARK[style.INK.lower()]
    assert all(to_hex(line.get_color()) in style.DARK.values() for line in axes.lines)


@pytest.mark.parametrize(("name", "wide"), [("a", True), ("a name that is much longer", False)])
def test_a_legend_has_the_columns_that_fit(name, wide):
    panel = figures.Panel("S9N1", "return", {f"{name} {i}": (STEPS, band(0.5)) for i in range(5)})
    figure = figures.curves([[panel, panel]], legend_columns=4)
    (legend,) = figure.legends
    assert (legend._ncols == 4) == wide
    figure.canvas.draw()
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
