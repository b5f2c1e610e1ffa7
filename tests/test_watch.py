"""`handrail watch`: curves of a growing run, and an end by itself."""

import json

import pytest
from rich.console import Console

from handrail.cli.watch import chart, resampled, watch
from handrail.cli.watch_page import GrowingPage
from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS, GrowingTable

PROGRESS = ("step", "episodes", "cost", "interventions", "mean_return")


class Growing:
    """A run of 400 steps that grows by an episode whenever somebody waits."""

    def __init__(self, folder, ends="summary.json"):
        self.folder, self.ends, self.step = folder, ends, 0
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"run": {"steps": 400}}))

    def __call__(self, seconds):
        self.step += 100
        GrowingTable(self.folder / "episodes.csv", EPISODE_COLUMNS).add(
            [dict(zip(EPISODE_COLUMNS, (self.step, self.step / 100, 1.0, 100, 25), strict=True))]
        )
        GrowingTable(self.folder / "progress.csv", PROGRESS).add(
            [dict(zip(PROGRESS, (self.step, 1, self.step / 100, self.step // 4, 1.0), strict=True))]
        )
        if self.step == 400:
            (self.folder / self.ends).write_text("{}")


def seen(paths, wait, **options):
    console = Console(width=80, record=True, **options)
    with console.capture() as captured:
        watch(paths, console=console, wait=wait)
    return captured.get()


def test_piped_output_is_a_line_a_chunk(tmp_path):
    run = Growing(tmp_path / "[bold]run")
    lines = seen([tmp_path], run, force_terminal=False).splitlines()
    assert len(lines) == 4 and "\x1b" not in "".join(lines)
    assert lines[0].endswith(
        "[bold]run: step 100 of 400, return 1, cost 1, cost in all 1, intervention rate 0.25"
    )
    assert lines[-1].endswith("intervention rate 0.25, finished")


def test_a_terminal_has_curves(tmp_path):
    text = seen([tmp_path], Growing(tmp_path / "run"), force_terminal=True)
    assert "▁" in text and "█" in text and "return" in text and "finished" in text


def test_what_diverges_has_ended_too(tmp_path):
    run = Growing(tmp_path / "run", ends="diverged.json")
    assert "diverged" in seen([tmp_path], run, force_terminal=False).splitlines()[-1]


def test_where_there_is_no_run(tmp_path):
    with pytest.raises(HandrailError, match="holds no run"):
        watch([tmp_path])


def test_the_report_grows_and_is_opened_once(tmp_path):
    run, opened, times = Growing(tmp_path / "run"), [], iter(range(0, 1000, 6))
    page = GrowingPage([tmp_path / "run"], show=opened.append, clock=lambda: next(times))
    said = []

    def grown(folders, ended):
        page(folders, ended)
        said.append("refresh" in (tmp_path / "run" / "report.html").read_text())

    watch([tmp_path], console=Console(quiet=True), wait=run, grown=grown)
    assert said == [True] * 3 + [False]  # the last version does not change any more
    assert opened == [(tmp_path / "run" / "report.html").as_uri()]


def test_a_column_is_as_high_as_its_value():
    assert chart([0.0, 1.0], 1) == ["▁█"]
    assert chart([0.0, 0.5, 1.0], 2) == ["  █", "▁██"]
    assert chart([3.0, 3.0], 2) == ["  ", "▁▁"]
    assert resampled([1.0, 3.0, 5.0, 7.0], 2) == [2.0, 6.0]
    assert resampled([1.0, 3.0], 4) == [1.0, 1.0, 3.0, 3.0]
