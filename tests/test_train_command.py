"""`--set` takes numbers as people write them, and refuses what no setting can be."""

import json
from pathlib import Path

import pytest

from handrail.cli.train import assigned, train_one
from handrail.core.errors import HandrailError
from handrail.tasks.guided.family import with_epoch
from handrail.tasks.lava.resolve import resolve as lava
from handrail.tasks.navigation.family import resolve_settings as navigation


def test_values_are_json_or_text_and_tables_are_dotted_names():
    given = assigned(
        ["steps=1e5", 'learning={"hidden": [8], "batch": 4}', "method=dqn", "long=" + "1" * 5_000]
    )
    assert given.pop("long") == "1" * 5_000
    assert given == {
        "steps": 1e5, "learning.hidden": [8], "learning.batch": 4, "method": "dqn"
    }  # fmt: skip
    run = lava({name: value for name, value in given.items()}).run
    assert (run.steps, type(run.steps), run.learning.hidden) == (100_000, int, (8,))


def test_steps_in_any_writing_find_their_epoch():
    assert with_epoch({"steps": 1e5}) == {"steps": 1e5, "epoch": 10_000}
    assert navigation(with_epoch({"steps": 1e5})).run.steps == 100_000


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("learning.discount=1.5", "learning.discount is 1.5: expected at least 0 and below 1"),
        ("learning.discount=NaN", "learning.discount is nan: expected a finite number"),
        ("learning.learning_rate=-1e-3", "learning.learning_rate is -0.001: expected above 0"),
        ("guide.learning.discount=2", "guide.learning.discount is 2.0: expected"),
        ("guide.learning.discont=0.9", "did you mean 'guide.learning.discount'"),
        ("seed=-1", "seed is -1: expected from 0 to 2147483647"),
        ("steps=" + "1" * 5_000, "expected int, at least 1"),
        ("steps", "expected name=value"),
    ],
)
def test_what_no_setting_can_be_is_one_line(assignment, message):
    with pytest.raises(HandrailError, match=message) as caught:
        navigation(assigned([assignment]))
    assert len(json.dumps(str(caught.value))) < 900


@pytest.mark.parametrize(
    ("run", "file", "assignment", "message"),
    [
        (
            ("navigation-static", "budget-switch"), None, "expert.steps=60000",
            "expert.steps is 60000, but method 'budget-switch' brings along guide: leave it out",
        ),
        (
            ("LavaCrossingS9N1", "dqn"), None, "prior.source_steps=5",
            "prior.source_steps is 5, but method 'dqn' brings along nothing: leave it out",
        ),
        (
            ("navigation-static", "budget-switch"), "guide", "guide.steps=60000",
            "guide.steps is 60000, but --guide names a file, so that none is trained",
        ),
        (
            ("navigation-static", "sac-pre"), None, "pretrained.on_policy.batch=100",
            "settings of pretrained.on_policy are given, but method 'sac-lagrangian' learns",
        ),
    ],
)  # fmt: skip
def test_settings_of_knowledge_that_nobody_trains_are_refused(
    run, file, assignment, message, tmp_path
):
    environment, method = run
    with pytest.raises(HandrailError, match=message):
        train_one(
            {"environment": environment, "method": method, "steps": 30_000},
            assignments=[assignment],
            files={file: Path("navigation-static")} if file else {},
            knowledge_folder=tmp_path / "knowledge",
            out=tmp_path / "run",
        )
    assert not list(tmp_path.iterdir())
