"""A power cut takes rows of tables, a kill leaves files behind: both are noticed and mended."""

import logging

import pytest

from handrail.core.files import read_json
from handrail.core.records import GrowingTable, rows_until
from handrail.train.checkpoint import load_checkpoint, save_checkpoint
from tests.train.small import content, run, shared_loop

pytestmark = pytest.mark.optimized  # bit for bit


class Cut(BaseException):
    """Like Ctrl-C: no handler of `Exception` sees it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(shared_loop(), folder, checkpoint_seconds=1e9)
    return content(folder)


@pytest.fixture
def cut(tmp_path):
    """A run cut after step 4000, with checkpoints at 2000 and 3000."""

    def report(step, metrics):
        if step == 4000:
            raise Cut

    with pytest.raises(Cut):
        run(shared_loop(), tmp_path / "run", report=report)
    return tmp_path / "run"


def rows_to(text: str, step: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([lines[0], *(line for line in lines[1:] if int(line.split(",")[0]) <= step)])


DAMAGES = {  # what is left of a table, and the checkpoints that can still be gone on from
    "the last chunks": (lambda text: rows_to(text, 2000), [3000, 4000]),
    "most": (lambda text: rows_to(text, 500), [1000, 2000, 3000, 4000]),
    "half of it is zeros": (lambda t: t[: len(t) // 9] + "\0" * len(t), [1000, 2000, 3000, 4000]),
    "empty": (lambda text: "", [1000, 2000, 3000, 4000]),
    "one row in the middle": (
        lambda text: "".join(line for n, line in enumerate(text.splitlines(True)) if n != 2),
        [1000, 2000, 3000, 4000],
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_table_shorter_than_its_checkpoint_is_noticed_and_computed_again(
    cut, whole, caplog, damage
):
    change, steps = DAMAGES[damage]
    path = cut / "episodes.csv"
    path.write_text(change(path.read_text()))
    seen = []
    with caplog.at_level(logging.WARNING):
        run(shared_loop(), cut, report=lambda step, metrics: seen.append(step))
    assert seen == steps
    assert content(cut) == whole
    assert "step-0000003000.safetensors is passed over: " in caplog.text
    assert "whole rows up to step 3,000, and had" in caplog.text
    assert ("it begins again" in caplog.text) == (steps[0] == 1000)


def test_a_damaged_checkpoint_is_passed_over_with_a_word(cut, caplog):
    (cut / "checkpoints" / "step-0000003000.safetensors").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        run(shared_loop(), cut)
    assert "step-0000003000.safetensors is passed over: " in caplog.text
    assert "begins again" not in caplog.text


def test_a_run_that_lost_nothing_says_nothing(cut, whole, caplog):
    run(shared_loop(), cut)
    assert content(cut) == whole and not caplog.records


def test_one_kept_checkpoint_is_not_pushed_out_by_a_damaged_later_one(tmp_path):
    state = {"x": shared_loop().agent.loss.values.evaluate.frames}
    late = save_checkpoint(tmp_path, state, step=30, settings="a", wall=3.0, kept=1)
    late.write_bytes(b"")
    early = save_checkpoint(tmp_path, state, step=10, settings="a", wall=1.0, kept=1)
    assert list((tmp_path / "checkpoints").iterdir()) == [early]
    assert load_checkpoint(tmp_path, state, settings="a")[0] == 10


def test_rows_are_counted_up_to_a_step(tmp_path):
    assert rows_until(tmp_path, 10) == {}
    GrowingTable(tmp_path / "episodes.csv", ("step", "return")).add(
        [{"step": step, "return": 0.5} for step in (1, 5, 5, 9)]
    )
    (tmp_path / "progress.csv").write_text("step,a\n1,2\n2,\x00\n3\n4,1\n")
    (tmp_path / "evaluations.csv").write_text("")
    assert rows_until(tmp_path, 5) == {"episodes.csv": 3, "progress.csv": 3, "evaluations.csv": 0}
    with open(tmp_path / "episodes.csv", "a") as file:
        file.write("9" * 5_000 + ",1\n")
    assert rows_until(tmp_path, 10)["episodes.csv"] == 4


LEFT = (
    ".evaluations.csv.abcd_123", ".best.safetensors.abcd_123", ".arrays.npz.abcd_123",
    ".policy.safetensors.abcd_123", "checkpoints/.step-0000001000.safetensors.abcd_123",
)  # fmt: skip


def test_what_kills_left_behind_is_swept_at_the_next_start(cut):
    for name in LEFT:
        (cut / name).write_text("half")
    run(shared_loop(), cut)
    assert {path.name for path in cut.rglob(".*")} == {".lock"}


def test_a_run_killed_just_before_it_had_cleared_up_does_so_when_called_again(cut):
    kept = {path: path.read_bytes() for path in (cut / "checkpoints").iterdir()}
    summary = run(shared_loop(), cut)
    for path, content_ in kept.items():
        path.write_bytes(content_)
    (cut / ".best.safetensors.abcd_123").write_text("half")
    assert run(shared_loop(), cut) == summary == read_json(cut / "summary.json")
    assert not list((cut / "checkpoints").iterdir())
    assert {path.name for path in cut.glob(".*")} == {".lock"}
