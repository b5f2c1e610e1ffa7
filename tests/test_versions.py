"""Versions that decide about numbers: compared between machines, noted beside a run."""

from importlib.metadata import version

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
