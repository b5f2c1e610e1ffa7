"""Files that are never half-written, and messages that name the file."""

import pytest

from handrail.errors import HandrailError
from handrail.files import atomic, read_json, write_json, write_text


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
