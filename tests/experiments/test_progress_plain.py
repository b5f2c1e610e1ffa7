"""Bars of tasks whose names look like markup, or hold what a terminal would obey."""

from handrail.core.files import write_json
from handrail.experiments.plan import Task
from handrail.experiments.progress import Follower, ProgressBars

EVIL = "dqn [bold]x[/y] :smile: \x1b]0;owned\x07"
SHOWN = "dqn [bold]x[/y] :smile: \\x1b]0;owned\\x07"


def test_a_finished_task_is_named_as_it_is(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    task = Task("run", tmp_path / "run", None, label=EVIL)
    with Follower([task]) as follow:
        follow([task], set())
        follow([], {task.folder})
    assert f"done 1/1: {SHOWN}" in capsys.readouterr().err


def test_bars_are_named_as_they_are(tmp_path, capsys, monkeypatch):
    for name, value in (("COLUMNS", "200"), ("FORCE_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    task = Task("run", tmp_path / "run", None, label=EVIL)
    write_json(tmp_path / ".run.progress", {"what": EVIL, "step": 1, "total": 2})
    with Follower([task]) as follow:
        follow([task], set())
    with ProgressBars() as steps:
        steps(EVIL, 1, 2)
        steps.note(EVIL)
    text = capsys.readouterr().err
    assert "\x1b]0;" not in text and "\x07" not in text
    assert text.count(SHOWN) >= 4


def test_progress_that_is_damaged_is_passed_over(tmp_path):
    task = Task("run", tmp_path / "run", None, label="a")
    for text in ("[" * 100_000, "[]", '{"what": 1}', '{"what": "a", "step": "x", "total": 0}'):
        (tmp_path / ".run.progress").write_text(text)
        with Follower([task], quiet=True) as follow:
            follow([task], set())
