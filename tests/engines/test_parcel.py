"""Folders that travel as bytes, and what must agree on both ends."""

import dataclasses
import os
import types

import pytest

from handrail.cli.sweep import make_engine
from handrail.core.errors import HandrailError, UnknownName
from handrail.engines import base, transport
from handrail.experiments.plan import Task


@pytest.fixture
def task(tmp_path):
    lava = types.SimpleNamespace(environment="LavaCrossingS9N1")
    need = Task("prior", tmp_path / "knowledge" / "p", lava, label="prior")
    need.folder.mkdir(parents=True)
    (need.folder / "prior.safetensors").write_bytes(b"known")
    return Task("run", tmp_path / "runs" / "r", None, (need,), "run")


def fill(folder):
    (folder / "deep" / "checkpoints").mkdir(parents=True)
    (folder / "deep" / "checkpoints" / "step-1.safetensors").write_bytes(b"old")
    (folder / ".lock").write_bytes(b"")
    (folder / "summary.json").write_bytes(b"{}")
    (folder / "deep" / "episodes.csv").write_bytes(b"step\n\x00\xff")


def test_a_finished_folder_arrives_without_locks_and_checkpoints(task, tmp_path):
    fill(tmp_path / "there")
    files = transport.pack(tmp_path / "there")
    assert files == {"summary.json": b"{}", "deep/episodes.csv": b"step\n\x00\xff"}
    stale = task.folder / "checkpoints" / "step-7.safetensors"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier attempt on this machine")
    transport.unpack(files, task)
    assert task.done
    assert transport.pack(task.folder) == files
    assert not stale.exists()


def test_the_file_that_marks_the_end_is_written_last(task, monkeypatch):
    written = []
    real = transport.atomic
    monkeypatch.setattr(transport, "atomic", lambda path: written.append(path.name) or real(path))
    transport.unpack({"summary.json": b"{}", "a": b"", "z": b""}, task)
    assert written[-1] == "summary.json"
    assert len(written) == 3


@pytest.mark.parametrize("name", ["../summary.json", "/etc/summary.json", "a/../../b", ""])
def test_a_file_never_leaves_its_folder(task, name):
    with pytest.raises(HandrailError, match="not inside its folder"):
        transport.unpack({"summary.json": b"{}", name: b""}, task)
    assert not task.done


def test_a_parcel_without_the_result_is_refused(task):
    with pytest.raises(HandrailError, match=r"run: the worker sent no summary\.json"):
        transport.unpack({"episodes.csv": b""}, task)


def test_needs_are_where_the_moved_task_looks_for_them(task, tmp_path):
    here = transport.moved(task, tmp_path / "scratch")
    transport.place_needs(here, [transport.result_of_need(task.needs[0])])
    assert all(need.done for need in here.needs)
    assert [need.folder.name for need in here.needs] == ["p"], "settings record the name"
    assert here.folder.name == task.folder.name


def test_what_lies_beside_a_guide_travels_with_it(task, tmp_path):
    folder = tmp_path / "knowledge" / "g"
    folder.mkdir()
    for name in ("guide.safetensors", "episodes.csv"):
        (folder / name).write_bytes(name.encode())
    static = types.SimpleNamespace(environment="navigation-static")
    guide = Task("guide", folder, static, label="guide")
    assert set(transport.result_of_need(guide)) == {"guide.safetensors"}, "it may have kept none"
    (folder / "transitions.safetensors").write_bytes(b"kept")
    task = dataclasses.replace(task, needs=(guide,))
    here = transport.moved(task, tmp_path / "scratch")
    transport.place_needs(here, [transport.result_of_need(guide)])
    found = {path.name: path.read_bytes() for path in here.needs[0].folder.iterdir()}
    assert found == {
        "guide.safetensors": b"guide.safetensors", "transitions.safetensors": b"kept"
    }  # fmt: skip


def test_a_scratch_folder_of_somebody_else_is_refused(task, tmp_path, monkeypatch):
    """What lies there would be taken for what was computed."""
    monkeypatch.setattr(transport.tempfile, "gettempdir", lambda: str(tmp_path))
    ours = transport.scratch_folder("here|out", task).parent
    assert ours.stat().st_mode & 0o777 == 0o700
    ours.chmod(0o777)
    with pytest.raises(HandrailError, match="only you can write into"):
        transport.scratch_folder("here|out", task)
    ours.rmdir()
    ours.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(HandrailError, match="only you can write into"):
        transport.scratch_folder("here|out", task)


def test_attempts_at_one_task_share_a_scratch_folder(task):
    first = transport.scratch_folder("here|out", task)
    assert first == transport.scratch_folder("here|out", task)
    assert first != transport.scratch_folder("here|other", task)
    assert first != transport.scratch_folder("here|out", task.needs[0])


def test_workers_inherit_settings_but_one_thread(monkeypatch):
    monkeypatch.setenv("HANDRAIL_X", "1")
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    given = base.worker_environment()
    assert (given["HANDRAIL_X"], given["JAX_ENABLE_X64"]) == ("1", "1")
    assert given["OMP_NUM_THREADS"] == "1"
    assert "PATH" not in given
    assert os.environ["OMP_NUM_THREADS"] == "8"


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("local", {"address": "h:1"}, "--address does not belong to the engine 'local'"),
        ("slurm", {"shared": True}, "--shared does not belong to the engine 'slurm'"),
        ("ray", {"slurm": ["a=1"]}, "--slurm does not belong to the engine 'ray'"),
        ("slurm", {"slurm": ["a"]}, "expected name=value"),
    ],
)
def test_options_of_other_engines_are_refused(name, options, text):
    with pytest.raises(HandrailError, match=text):
        make_engine(name, **options)


def test_an_unknown_engine_is_named():
    with pytest.raises(UnknownName, match="unknown engine 'rey': did you mean 'ray'"):
        make_engine("rey")
