"""Bars that say what they are given, on every terminal; elsewhere a sign of life now and then."""

import io
import json

import pytest
from rich.console import Console

from handrail.experiments.plan import Task
from handrail.experiments.progress import Follower, Pace, ProgressBars
from handrail.experiments.worker import progress_file

MARKUP = "priors [/x] [bold]y"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def terminal(width):
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)


def pipe():
    return Console(file=io.StringIO(), width=40)


def lines(console):
    return console.file.getvalue().splitlines()


def test_without_a_terminal_there_is_a_line_now_and_then(clock):
    console = pipe()
    with ProgressBars(console=console, clock=clock) as steps:
        for step in range(0, 300_001, 1_000):
            steps("guide", step, 300_000)
            clock.now += 0.25
    assert lines(console) == [
        f"guide: {step:,} of 300,000 steps" for step in range(0, 300_001, 20_000)
    ]


def test_nothing_is_said_twice_and_slow_work_says_that_it_lives(clock):
    pace = Pace(clock)
    times = []
    for second in range(0, 200, 4):
        clock.now = float(second)
        if pace.due("guide", second / 100_000):
            times.append(second)
    assert times == [0, 60, 120, 180]


def test_another_stage_is_told_but_not_at_once(clock):
    pace = Pace(clock)
    assert pace.due("source", 0.5)
    clock.now = 4.0
    assert not pace.due("prior", 0.5)
    clock.now = 6.0
    assert pace.due("prior", 0.5)
    assert not pace.due("prior", 1.0)


def test_numbers_that_are_no_steps_have_no_unit(clock):
    console = pipe()
    with ProgressBars(unit="", console=console, clock=clock) as bars:
        bars("episodes in the source", 20, 100)
    assert lines(console) == ["episodes in the source: 20 of 100"]


@pytest.fixture
def task(tmp_path):
    return Task("run", tmp_path / "run", None, (), MARKUP)


def tells(task, entry):
    progress_file(task.folder).write_text(json.dumps(entry))


@pytest.mark.parametrize("width", [30, 50, 70, 120])
def test_names_are_shown_as_they_are_on_every_terminal(task, width, clock):
    tells(task, {"what": "it [/]", "step": 7, "total": 20})
    console = terminal(width)
    with Follower([task], console=console, clock=clock) as follower:
        follower([task], set())
    text = console.file.getvalue()
    shown = min(len(MARKUP), width // 2 - 6)
    assert f"  {MARKUP}"[:shown] in text
    assert "7/20" in text
    assert max(map(len, text.splitlines())) <= width + 20  # with the codes that move the cursor
    console = terminal(width)
    with ProgressBars(console=console) as steps:
        steps(MARKUP, 3, 20)
        steps.note(MARKUP)
    assert MARKUP in console.file.getvalue()
    assert "3/20" in console.file.getvalue()


def test_a_pipe_is_told_what_ends_and_what_is_going_on(task, tmp_path, clock):
    other = Task("run", tmp_path / "other", None, (), "other [red]")
    console = pipe()
    with Follower([task, other], console=console, clock=clock) as follower:
        for second in range(0, 130, 10):
            clock.now = float(second)
            tells(task, {"what": "run", "step": 1_000 * second, "total": 200_000})
            follower([task], set() if second < 50 else {other.folder})
    assert lines(console) == [
        f"{MARKUP}: run, 0 of 200,000; 0 of 2 tasks are done",
        "done 1/2: other [red]",
        f"{MARKUP}: run, 60,000 of 200,000; 1 of 2 tasks are done",
        f"{MARKUP}: run, 120,000 of 200,000; 1 of 2 tasks are done",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        [],
        {"what": "run"},
        {"what": 1, "step": 1, "total": 1},
        {"what": "run", "step": 1, "total": 0},
        {"what": "run", "step": "1", "total": 2},
    ],
)
def test_a_progress_file_of_something_else_is_no_reason_to_stop(task, entry, clock):
    tells(task, entry)
    console = pipe()
    with Follower([task], console=console, clock=clock) as follower:
        follower([task], set())
    assert lines(console) == [f"{MARKUP}: starting, 0 of 1; 0 of 1 tasks are done"]
