"""A run goes on from nothing but its folder."""

import json

import numpy as np
import pytest

from handrail.cli import commands as cli
from handrail.cli.train import refuse_settings
from handrail.cli.train import resume as run_on
from handrail.core.artifact import Card, load, save
from handrail.core.errors import HandrailError
from handrail.core.recorded import stable
from handrail.experiments.plan import knowledge_tasks
from handrail.methods.contrastive.settings import QLearning
from handrail.tasks.lava import family, student
from handrail.tasks.lava.resolve import resolve
from handrail.tasks.lava.settings import LavaRun
from handrail.train.course import coursed

SMALL = QLearning(learning_starts=500, batch=16, hidden=(8,))
DQN = LavaRun("Empty-5x5", "dqn", steps=2_000, learning=SMALL)


def resume(folder, *, files=None, **options):
    return run_on(folder, files=files or {}, **options)


def begun(folder, run=DQN, needs=()):
    """A run folder as it is a moment after its beginning."""
    folder.mkdir(parents=True)
    stored = {"run": stable(run), "knowledge": "none", "needs": list(needs)}
    (folder / "run.json").write_text(json.dumps(stored))
    return folder


def knowledge(path, kind, value=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    card = Card(kind, spec={"view": "egocentric"}, network={})
    save(path, card, {"weight": np.full(3, value, np.float32)})
    return load(path)[0].checksum


@pytest.fixture
def asked(monkeypatch):
    """What would have been run, without running it."""
    calls = []

    @coursed
    def run_lava(run, known, folder, *, settings, report):
        yield from ()
        report(10, 20)
        calls.append((run, known, folder, settings))
        return {"steps": 20}

    monkeypatch.setattr(family, "run_lava", run_lava)
    return calls


def test_a_run_goes_on_with_the_settings_it_has(asked, tmp_path):
    folder, grown = begun(tmp_path / "run"), []
    assert resume(folder, knowledge_folder=tmp_path, progress=lambda: grown.append(1))
    run, known, where, settings = asked[0]
    assert (run, where) == (DQN, folder)
    assert known == student.Knowledge("symbolic")
    assert settings == json.loads((folder / "run.json").read_text())
    assert grown == [1]


@pytest.mark.parametrize("place", ["up", "beside", "named"])
def test_knowledge_is_found_where_the_commands_keep_it(asked, tmp_path, place):
    row = resolve({"environment": "LavaCrossingS9N1", "method": "full"})
    tasks = knowledge_tasks(row, tmp_path / "out" if place != "named" else tmp_path / "else")
    for task in tasks:
        knowledge(task.folder / f"{task.kind}.safetensors", task.kind)
    folder = tmp_path / "out" / ("runs/r" if place == "up" else "r")
    begun(folder, row.run, [task.folder.name for task in tasks])
    resume(folder, knowledge_folder=tmp_path / "else")
    known = asked[0][1]
    files = {task.kind: task.folder / f"{task.kind}.safetensors" for task in tasks}
    assert known == student.Knowledge("egocentric", prior=files["prior"], encoder=files["encoder"])


def test_a_named_file_is_known_by_its_checksum(asked, tmp_path):
    prior, other = tmp_path / "mine.safetensors", tmp_path / "other.safetensors"
    right = knowledge(prior, "prior")
    knowledge(other, "prior", value=2.0)
    folder = begun(tmp_path / "run", LavaRun(method="priors-0.95"), [right])
    resume(folder, knowledge_folder=tmp_path, files={"prior": prior})
    assert asked[0][1].prior == prior
    with pytest.raises(HandrailError, match=rf"repeat --prior.* begins with {right[:12]}"):
        resume(folder, knowledge_folder=tmp_path, files={"prior": other})


def test_knowledge_that_is_gone_is_named(tmp_path):
    folder = begun(tmp_path / "run", LavaRun(method="priors-0.95"), ["prior-egocentric-abc"])
    with pytest.raises(HandrailError, match=r"needs prior-egocentric-abc.*--knowledge-folder"):
        resume(folder, knowledge_folder=tmp_path)


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (None, "holds no run to resume"),
        ({"purpose": "encoder"}, "part of acquiring knowledge"),
        ({"name": "mine"}, "was not written by `handrail train`"),
        ([], "expected a JSON object"),
        ({"run": {"method": "dqn", "colour": 1}, "needs": []}, "is of another version"),
        ({"run": {"method": "dqn"}, "needs": []}, "is of another version"),
        ({"run": {}, "needs": [1]}, "one of its needs is 1, expected a folder's name"),
        ({"run": {}, "needs": ["../x"]}, r"one of its needs is '\.\./x', expected"),
        ({"run": {}, "needs": ["/etc"]}, "one of its needs is '/etc', expected"),
    ],
)
def test_what_cannot_be_resumed_is_said(tmp_path, stored, text):
    if stored is not None:
        (tmp_path / "run.json").write_text(json.dumps(stored))
    with pytest.raises(HandrailError, match=text):
        resume(tmp_path, knowledge_folder=tmp_path)


def test_a_finished_run_is_only_told(tmp_path, monkeypatch):
    folder = begun(tmp_path / "run")
    (folder / "summary.json").write_text('{"steps": 7}')
    assert resume(folder, knowledge_folder=tmp_path) == {"steps": 7}


def test_other_settings_are_refused():
    given = {"environment": "LavaCrossingS9N1", "steps": 5, "set": ("a=1",)}
    with pytest.raises(HandrailError, match="--steps, --set cannot be given with --resume"):
        refuse_settings(given, cli.train)
    refuse_settings({"environment": "LavaCrossingS9N1", "set": ()}, cli.train)


class Cut(BaseException):
    """Like Ctrl-C."""


@pytest.mark.slow
def test_a_run_that_was_cut_ends_with_the_same_bytes(tmp_path, monkeypatch):
    from handrail.cli.train import train_one

    monkeypatch.setenv("HANDRAIL_CHECKPOINT_SECONDS", "0")
    settings = {"environment": "Empty-5x5", "method": "dqn", "steps": 2_000}
    assignments = ["learning.learning_starts=500", "learning.batch=16", "learning.hidden=[8]"]
    options = {"assignments": assignments, "files": {}, "knowledge_folder": tmp_path}
    train_one(settings, out=tmp_path / "whole", **options)
    calls = []

    def cut():
        calls.append(1)
        if len(calls) == 2:
            raise Cut

    with pytest.raises(Cut):
        train_one(settings, out=tmp_path / "cut", progress=cut, **options)
    assert list((tmp_path / "cut" / "checkpoints").glob("step-*500.safetensors"))
    resume(tmp_path / "cut", knowledge_folder=tmp_path)
    for path in (tmp_path / "whole").iterdir():
        if path.is_file() and path.name not in ("summary.json", ".lock"):
            assert (tmp_path / "cut" / path.name).read_bytes() == path.read_bytes(), path.name
