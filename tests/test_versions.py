"""Versions that decide about numbers: compared between machines, noted beside a run."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from handrail.core import versions
from handrail.core.files import read_json
from handrail.core.versions import ENVIRONMENT, differing, record_environment


def test_other_versions_on_a_node_are_named():
    assert differing(versions.versions()) is None
    text = differing({**versions.versions(), "jax": "0.0.1"})
    assert text is not None
    assert "instead of 0.0.1; install the same versions" in text


def test_the_engine_of_navigation_decides_too():
    pytest.importorskip("mujoco")
    assert versions.versions()["mujoco"] == version("mujoco")
    assert "mujoco" in (differing({**versions.versions(), "mujoco": "0.0.1"}) or "")


def test_an_extra_that_one_of_two_machines_lacks_is_no_difference(monkeypatch):
    assert differing({**versions.versions(), "mujoco": "none"}) is None
    everywhere = {**versions.versions(), "mujoco": "3.3.0"}
    monkeypatch.setattr(versions, "versions", lambda: {**everywhere, "mujoco": "none"})
    assert differing(everywhere) is None


def noted(folder):
    return read_json(folder / ENVIRONMENT)["environments"]


def test_a_run_notes_each_environment_that_computed_it(tmp_path, monkeypatch):
    record_environment(tmp_path)
    record_environment(tmp_path)
    (first,) = noted(tmp_path)
    assert first["versions"]["jax"] == version("jax")
    monkeypatch.setenv("HANDRAIL_DEVICE", "gpu")
    record_environment(tmp_path)
    assert [entry["device"] for entry in noted(tmp_path)] == ["cpu", "gpu"]


def test_a_damaged_note_stops_no_run(tmp_path):
    (tmp_path / ENVIRONMENT).write_text('[{"versions"')
    record_environment(tmp_path)
    assert len(noted(tmp_path)) == 1


def test_the_commit_is_that_of_the_checkout():
    root = Path(versions.__file__).parents[3]
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    head = ["git", "-C", str(root), "rev-parse", "HEAD"]
    full = subprocess.run(head, capture_output=True, text=True, check=True).stdout
    said = versions.commit()
    assert said is not None and full.startswith(said.removesuffix("-changed"))


def test_where_there_is_no_git_nothing_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert versions.commit.__wrapped__() is None
