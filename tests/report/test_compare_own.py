"""Runs of own environments side by side: who keeps the limit alone, and what was passed in."""

import json

import pytest

from handrail.core.errors import HandrailError
from handrail.report.compare import compare
from tests.report.test_compare import make_run


def make_student(folder, verdict, **passed):
    """A finished run whose `run.json` and `summary.json` say this as well."""
    make_run(folder)
    for name, more in (("run.json", {"passed": passed}), ("summary.json", verdict)):
        known = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(known | more))
    return folder


def rows(table):
    return {row[0]: row[1:] for row in table.rows}


def test_students_that_keep_the_limit_alone(tmp_path):
    verdicts = {
        "a": {"within_limit_alone": True, "best_safe": {"step": 10, "target_cost": 0.5}},
        "b": {"within_limit_alone": False, "best_safe": {"step": 10, "target_cost": 0.5}},
        "c": {"within_limit_alone": False, "best_safe": None},
        "d": {},
    }
    runs = [make_student(tmp_path / name, verdict) for name, verdict in verdicts.items()]
    found = rows(compare(runs)[0])["alone within the limit"]
    assert found == ["yes (best: yes)", "no (best: yes)", "no (best: no)", None]
    assert "alone within the limit" not in rows(compare([runs[3], make_run(tmp_path / "e")])[0])


def environment(code):
    class_ = {"class": "mine.Plant", "members": {"step": {"code": code}}}
    return {"given": class_, "actions": {"n": 2}}


def test_what_was_passed_in_is_one_row_each(tmp_path):
    ours = environment({"source": "a", "cpython 3.11": "b"})
    first = make_student(tmp_path / "a", {}, environment=ours, cost=None, parts=None)
    edited = environment({"source": "c", "cpython 3.11": "d"})
    cost = {"function": "mine.cost", "code": {"source": "x"}}
    second = make_student(tmp_path / "b", {}, environment=edited, cost=cost, parts=None)
    found = rows(compare([first, second])[1])
    assert list(found) == ["passed.environment", "passed.cost"]
    left, right = found["passed.environment"]
    assert left.startswith("mine.Plant #") and right.startswith("mine.Plant #") and left != right
    assert found["passed.cost"][0] is None and found["passed.cost"][1].startswith("mine.cost #")


def test_another_python_is_not_another_environment(tmp_path):
    one = environment({"source": "a", "cpython 3.11": "b"})
    two = environment({"source": "a", "cpython 3.12": "c"})
    runs = [
        make_student(tmp_path / name, {}, environment=passed)
        for name, passed in (("a", one), ("b", two), ("c", {"given": "CartPole-v1"}))
    ]
    assert compare(runs[:2])[1].rows == []
    assert rows(compare(runs[1:])[1])["passed.environment"][1].startswith("CartPole-v1 #")


def test_a_folder_of_runs_names_them(tmp_path):
    for name in ("prior", "source-0"):
        make_run(tmp_path / "all" / name)
    with pytest.raises(HandrailError, match="there are runs inside of it: prior, source-0"):
        compare([tmp_path / "all", make_run(tmp_path / "x")])
