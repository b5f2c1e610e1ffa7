"""Run folders read back as written, and damage is named by file and line."""

import json
import zipfile

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS, GrowingTable
from handrail.report import runs


@pytest.fixture
def folder(tmp_path):
    """A finished run of two episodes, written by the library's own writer."""
    path = tmp_path / "run"
    path.mkdir()
    settings = {"environment": "S9N1", "method": "dqn", "seed": 3, "agent": {"gamma": 0.99}}
    (path / "run.json").write_text(json.dumps(settings))
    rows = [(10, 0.5, 0.0, 10, 2), (25, 0.0, 1.0, 15, 0)]
    GrowingTable(path / "episodes.csv", EPISODE_COLUMNS).add(
        dict(zip(EPISODE_COLUMNS, row, strict=True)) for row in rows
    )
    GrowingTable(path / "progress.csv").add(
        [{"step": 20, "loss": float("nan")}, {"step": 30, "loss": 0.5}]
    )
    (path / "summary.json").write_text(json.dumps({"violations": 1.0, "greedy_return": None}))
    np.savez(path / "arrays.npz", visits=np.ones((2, 2)))
    return path


def test_a_run_reads_back(folder):
    run = runs.read_run(folder)
    assert run.finished
    assert run["seed"] == 3 and run["agent.gamma"] == 0.99
    assert run.episodes["return"].tolist() == [0.5, 0]
    assert np.isnan(run.progress["loss"][0]) and run.progress["loss"][1] == 0.5
    assert run.arrays()["visits"].sum() == 4
    assert runs.summary_values([run], "violations").tolist() == [1]
    assert np.isnan(runs.summary_values([run], "greedy_return")).all()
    with pytest.raises(HandrailError, match=r"no entry 'agent\.lr'"):
        run["agent.lr"]
    with pytest.raises(HandrailError, match="recorded no visits"):
        run.arrays("visits")


def test_a_run_with_further_columns_reads_back(folder):
    columns = (*EPISODE_COLUMNS, "cost.heat", "info.is_success")
    (folder / "episodes.csv").unlink()
    GrowingTable(folder / "episodes.csv", columns).add([dict.fromkeys(columns, 1.0) | {"step": 10}])
    assert runs.read_run(folder).episodes["info.is_success"].tolist() == [1.0]


def test_curves_of_runs(folder):
    found = [runs.read_run(folder).episodes]
    steps = np.asarray([5, 10, 30])
    assert runs.cumulative_curves(found, steps).tolist() == [[0, 0, 1]]
    np.testing.assert_equal(runs.learning_curves(found, steps, 100), [[np.nan, 0.5, 0.25]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step,return,cost,length,interventions\n1,2,3\n", "line 2: 3 cells, expected 5"),
        ("step,return,cost,length,interventions\n1,x,0,1,0\n", "line 2: return is 'x'"),
        ("step,return,cost,length,interventions\n1,1,0,1,0\n2,0.", "line 3: the file ends"),
        ("step,return,cost,length,interventions\n9,1,0,1,0\n2,1,0,1,0\n", "line 3: step is 2"),
        ("step,reward\n1,2\n", "line 1: columns are step, reward; expected step, return"),
        ("", "line 1: no header"),
        ('"' + "x" * 200_000 + '"\n', "is no table: field larger than field limit"),
    ],
)
def test_damage_is_named(folder, text, message):
    (folder / "episodes.csv").write_text(text)
    with pytest.raises(HandrailError, match=message) as caught:
        runs.read_run(folder)
    assert "episodes.csv" in str(caught.value)


def test_a_running_run_may_be_in_the_middle_of_a_line(folder):
    (folder / "summary.json").unlink()
    with open(folder / "episodes.csv", "a") as file:
        file.write("40,0.")
    run = runs.read_run(folder)
    assert not run.finished
    assert run.episodes["step"].tolist() == [10, 25]
    with pytest.raises(HandrailError, match="has not finished"):
        runs.summary_values([run], "violations")


def test_a_run_that_has_only_begun_is_empty(folder):
    for name in ("summary.json", "episodes.csv", "progress.csv"):
        (folder / name).unlink()
    run = runs.read_run(folder)
    assert all(len(column) == 0 for column in run.episodes.values())
    assert np.isnan(runs.learning_curves([run.episodes], np.asarray([5]), 10)).all()


def test_other_damage(folder, tmp_path):
    with pytest.raises(HandrailError, match=r"no run\.json"):
        runs.read_run(tmp_path)
    (folder / "arrays.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(HandrailError, match=r"arrays.npz is damaged"):
        runs.read_run(folder).arrays()
    (folder / "run.json").write_text("{")
    with pytest.raises(HandrailError, match=r"run.json is damaged"):
        runs.read_run(folder)


def test_arrays_that_nobody_of_ours_wrote_are_one_error(folder):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(folder / "arrays.npz", "w") as members:
        members.writestr("huge.npy", array)
    with pytest.raises(HandrailError, match=r"arrays\.npz is damaged"):
        runs.read_run(folder).arrays()


def test_arrays_that_unpack_to_more_than_memory_are_refused_unread(folder, monkeypatch):
    np.savez_compressed(folder / "arrays.npz", zeros=np.zeros(10_000))
    assert runs.read_run(folder).arrays()["zeros"].size == 10_000
    monkeypatch.setattr(runs, "MOST_BYTES", 10_000)
    with pytest.raises(HandrailError, match="bytes of arrays; at most 10,000 are read"):
        runs.read_run(folder).arrays()
