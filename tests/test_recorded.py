"""A folder's run is told apart from what is asked for now, and older ones stay readable."""

import dataclasses
import json
import logging

import pytest

from handrail.core import renamed
from handrail.core.arguments import override
from handrail.core.recorded import LATER, added_later, compare, original, stable
from handrail.core.renamed import migrated
from handrail.experiments.schema import digest
from handrail.methods.sagui.settings import GuideSettings, StudentRun
from handrail.tasks.lava.settings import LavaRun

CODE = {"source": "a", "cpython 3.11": "b"}


@dataclasses.dataclass(frozen=True)
class Parts:
    width: int = 3
    depth: int = added_later(1)


@dataclasses.dataclass(frozen=True)
class Whole:
    share: float = 0.5
    kind: str = "new"
    parts: Parts = Parts()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"steps": 1}, {"steps": 2}, "steps was 1, now 2"),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, "a.b was 'x', now 'y'"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a[1].b was 2, now 3"),
        ({"a": [1]}, {"a": [1, 2]}, "a differs"),
        ({"a": "f[9] sha256:1"}, {"a": "f[9] sha256:2"}, "a differs"),
        ({"cost": None}, {"cost": {"function": "f"}}, "cost differs"),
        ({}, {"steps": 2}, "steps was absent, now 2"),
        ({"on": True}, {"on": 1}, "on was True, now 1"),
        ({"f": {"code": CODE}}, {"f": {"code": {**CODE, "source": "x", "cpython 3.11": "y"}}},
         "f.code differs"),
        (dict.fromkeys("abcde", 1), dict.fromkeys("abcde", 2),
         "a was 1, now 2, b was 1, now 2, c was 1, now 2, and 2 more"),
        ({"\x1b[2J": 1}, {}, "\\x1b[2J was 1, now absent"),
        ({"a": "\x1b[2J"}, {"a": 1}, r"a was '\x1b[2J', now 1"),
        ({"a": "x" * 999}, {"a": 1}, f"a was '{'x' * 58}…, now 1"),
    ],
)  # fmt: skip
def test_what_differs_is_named_with_both_values(old, new, message):
    assert str(compare(old, new)) == message


@pytest.mark.parametrize(
    ("old", "new", "unknown"),
    [
        ({"a": 1, "b": [2.0]}, {"a": 1.0, "b": [2]}, ()),
        ({"steps": 1}, {"steps": 1, "passed": {"cost": {"function": "f"}}}, ("passed",)),
        ({"f": {"unidentified": "x"}}, {"f": {"unidentified": "x"}}, ("f",)),
        ({"f": {"code": CODE}}, {"f": {"code": {"cpython 3.12": "z", "source": "a"}}}, ()),
        ({"f": {"code": CODE}}, {"f": {"code": {"cpython 3.12": "z"}}}, ("f.code",)),
    ],
)
def test_what_cannot_be_compared_is_not_taken_for_a_difference(old, new, unknown):
    found = compare(old, new)
    assert (found.differing, found.unknown) == ((), unknown)


def test_something_unidentified_is_not_something_else():
    assert compare({"f": {"unidentified": "x"}}, {"f": {"unidentified": "y"}}).differing
    assert compare({"f": {"unidentified": "x"}}, {"f": {"function": "y"}}).differing


@pytest.mark.parametrize("settings", [LavaRun(), StudentRun(), GuideSettings()])
def test_settings_of_the_first_version_are_recorded_whole(settings):
    assert stable(settings) == of_the_first_version(settings)
    names = renamed.SETTINGS.get(type(settings).__name__, {})
    renamings = {new: old for old, new in names.items()}
    first = original(settings)
    assert [renamings.get(name, name) for name in stable(settings)] == list(first)
    assert not first.keys() & renamings.keys()


def of_the_first_version(settings):
    """All settings but those that were added later, which are at their defaults here."""
    values = {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if LATER not in field.metadata
    }
    return {
        name: of_the_first_version(value) if dataclasses.is_dataclass(value) else value
        for name, value in values.items()
    }


def test_a_setting_that_was_added_later_changes_no_digest_at_its_default():
    assert stable(Whole()) == {"share": 0.5, "kind": "new", "parts": {"width": 3}}
    assert stable(Whole(parts=Parts(depth=2)))["parts"] == {"width": 3, "depth": 2}
    assert digest(stable(Whole())) == digest({"share": 0.5, "kind": "new", "parts": {"width": 3}})


@pytest.fixture
def names(monkeypatch):
    monkeypatch.setitem(renamed.SETTINGS, "Whole", {"part": "share"})
    monkeypatch.setitem(renamed.SETTINGS, "Parts", {"breadth": "width"})
    monkeypatch.setitem(renamed.SETTINGS, "Own", {"part": "portion"})
    monkeypatch.setitem(renamed.VALUES, "Whole", {"kind": {"old": "new"}})
    monkeypatch.setitem(renamed.PLACES, "run", "Whole")
    monkeypatch.setitem(renamed.PLACES, "own:", "Own")


def test_old_names_are_read_with_one_warning(names, caplog):
    old = {"run": {"part": 0.2, "kind": "old", "more": [1]}, "part": 3}
    with caplog.at_level(logging.WARNING):
        assert migrated(old, "run.json") == {
            "run": {"share": 0.2, "kind": "new", "more": [1]}, "part": 3
        }  # fmt: skip
    (record,) = caplog.records
    assert record.getMessage() == (
        "run.json was written by an older version: run.part, run.kind = old read under new names"
    )
    caplog.clear()
    assert migrated({"purpose": "own", "part": 1}, "x") == {
        "purpose": "own",
        "portion": 1,
    }
    assert len(caplog.records) == 1
    assert json.loads(json.dumps(old)) == old


def test_nothing_is_said_where_nothing_was_renamed(caplog):
    assert migrated({"run": {"part": 1}}, "run.json") == {"run": {"part": 1}}
    assert not caplog.records


def test_settings_are_taken_under_old_names(names, caplog):
    given = {"part": 0.1, "parts.breadth": 4, "kind": "old"}
    assert override(Whole(), given) == Whole(0.1, "new", Parts(4))
    assert [record.getMessage() for record in caplog.records] == [
        "the setting 'part' is now called 'share'",
        "the setting 'breadth' is now called 'width'",
        "kind = 'old' is now called 'new'",
    ]


def test_digests_stay_those_of_the_first_names(names):
    assert original(Whole()) == {"part": 0.5, "kind": "old", "parts": {"breadth": 3}}
