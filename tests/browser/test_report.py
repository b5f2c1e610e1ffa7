"""Reports in a real browser: drawn, answering, quiet, and as wide as the window."""

import pytest

from handrail.report.run_page import write_run_page
from tests.report.recorded import write_run

DRAWN = "html[data-charts=drawn]"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page of two methods, one of them with two seeds and an odd name."""
    root = tmp_path_factory.mktemp("runs")
    write_run(root / "a0")
    write_run(root / "a1", seed=1)
    write_run(root / "b0", method="<b>odd</b>", gain=0.5)
    return write_run_page([root])[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_is_drawn_at_every_width_in_light_and_dark(opened, written, width, scheme):
    page = opened(written, width=width, scheme=scheme)
    page.wait_for_selector(DRAWN, state="attached")
    charts = page.locator(".chart")
    assert charts.count() >= 8
    assert page.locator(".chart .bk-Figure").count() == charts.count()
    assert page.locator("main b b").count() == 0  # names are text


def test_a_method_is_hidden_everywhere_by_any_legend(opened, written):
    page = opened(written)
    page.wait_for_selector(DRAWN, state="attached")
    chip = page.locator(".chip[data-method='budget-switch']").first
    chip.click()
    pressed = page.locator(".chip[data-method='budget-switch'][aria-pressed=true]")
    assert pressed.count() == 0
    page.locator(".canvas").first.hover(position={"x": 300, "y": 120})
    assert page.text_content(".readout:not([hidden]) span") == "<b>odd</b>"
    assert page.locator(".readout:not([hidden]) span").count() == 1
    chip.click()
    page.locator(".canvas").first.hover(position={"x": 320, "y": 120})
    assert page.locator(".readout:not([hidden]) span").count() == 2


def test_values_stand_at_the_pointer_with_their_intervals(opened, written):
    page = opened(written)
    page.wait_for_selector(DRAWN, state="attached")
    page.locator(".canvas").first.hover(position={"x": 300, "y": 120})
    said = page.text_content(".readout:not([hidden])")
    assert "environment steps: " in said
    assert "[" in said  # of two seeds
    page.locator("h1").hover()
    assert page.locator(".readout:not([hidden])").count() == 0


def test_costs_are_shown_on_both_scales(opened, written):
    page = opened(written)
    page.wait_for_selector(DRAWN, state="attached")
    costs = page.locator(".charts", has_text="Cost so far")
    range_of = """() => [...Bokeh.index].find((view) =>
      view.el.closest(".chart")?.querySelector("h3").textContent === "Cost so far")
      .model.y_range.end"""
    logarithmic = page.evaluate(range_of)
    costs.locator(".scale").click()
    assert costs.locator(".scale").get_attribute("aria-pressed") == "false"
    assert page.evaluate(range_of) > 100 > logarithmic > 1


def test_a_chart_answers_to_the_keyboard(opened, written):
    page = opened(written)
    page.wait_for_selector(DRAWN, state="attached")
    page.locator(".canvas").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".readout:not([hidden]) span").count() == 2


def test_a_folder_without_runs_has_a_page_that_says_so(opened, tmp_path):
    page = opened(write_run_page([tmp_path])[0], width=390)
    assert "holds no run" in page.text_content(".missing")
