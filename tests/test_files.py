"""Files that are never half-written, and messages that name the file."""

import multiprocessing
import os
import signal

import pytest

from handrail.core import files
from handrail.core.errors import HandrailError
from handrail.core.files import atomic, is_temporary, read_json, sweep, write_json, write_text


def test_a_file_is_replaced_only_if_the_block_succeeds(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_json_reads_back(tmp_path):
    value = {"b": [1, 2.5, None, "γ"], "a": {"nested": True}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value


def test_nan_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b'{"half": ', b"\xff\xfe\x00", b""])
def test_damaged_json_names_the_file_and_the_fix(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(HandrailError, match=r"run\.json is damaged.*restore or delete"):
        read_json(path)


def test_missing_json_names_the_file(tmp_path):
    with pytest.raises(HandrailError, match=r"run\.json does not exist"):
        read_json(tmp_path / "run.json")


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(HandrailError, match=r"cannot write .*taken"):
        write_text(tmp_path / "taken" / "x.txt", "y")


@pytest.mark.parametrize("text", [
    "[" * 100_000, '{"a":' * 2_000, "[" * 70 + "]" * 70, '{"a": ' + "9" * 5_000 + "}",
    '{"a": 123456789012345678901}', '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}',
    '{"a": 1, "a": 2}', "[1]", "null", "5",
])  # fmt: skip
def test_json_that_nobody_of_ours_wrote_is_one_error(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(HandrailError, match=r"run\.json is damaged.*restore or delete"):
        read_json(tmp_path / "run.json")


def test_a_huge_file_is_refused_unread(tmp_path):
    with open(tmp_path / "run.json", "wb") as file:
        file.truncate(files.MOST_JSON + 1)  # takes no room on the disk
    with pytest.raises(HandrailError, match="at most"):
        read_json(tmp_path / "run.json")
    with pytest.raises(HandrailError, match="cannot read"):
        read_json(tmp_path)


def killed_while_writing(path):
    with atomic(path) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "evaluations.csv"
    writer = multiprocessing.get_context("spawn").Process(target=killed_while_writing, args=[path])
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert is_temporary(left.name) and is_temporary(left.name, path.name)
    write_text(tmp_path / "other.csv", "x")
    assert left.exists(), "of another file, which this one is not to touch"
    write_text(path, "whole")
    assert {entry.name for entry in tmp_path.iterdir()} == {"evaluations.csv", "other.csv"}


def test_what_is_being_written_is_not_swept(tmp_path):
    (tmp_path / ".run.json.abcdefgh").write_text("left over")
    with atomic(tmp_path / "x.txt") as temporary:
        sweep(tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == [temporary.name]
        temporary.write_text("whole")
    assert (tmp_path / "x.txt").read_text() == "whole"


def test_only_temporary_files_are_swept(tmp_path):
    names = (".lock", ".gitignore", ".my-run.progress", "a.b.abcdefgh", "run.json", ".x.ABCDEFGH")
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / ".folder.json.abcdefgh").mkdir()
    sweep(tmp_path)
    assert {e.name for e in tmp_path.iterdir()} == {*names, ".folder.json.abcdefgh"}
    sweep(tmp_path / "nowhere")
