"""Tables that only grow, and that are cut back to where a run resumes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core import records
from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS, GrowingTable, read_table, rows_until

COLUMNS = ("step", "value")
ROWS = [{"step": step, "value": step / 3} for step in (10, 20, 30, 40)]


def written(path, rows=ROWS):
    GrowingTable(path, COLUMNS).add(rows)
    return path.read_bytes()


@given(st.lists(st.floats(width=64, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_read_back_exactly(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    written(path, [{"step": i, "value": value} for i, value in enumerate(values)])
    np.testing.assert_array_equal(read_table(path)["value"], values)


def test_an_empty_table_has_columns_and_no_rows(tmp_path):
    GrowingTable(tmp_path / "t.csv", EPISODE_COLUMNS)
    table = read_table(tmp_path / "t.csv")
    assert tuple(table) == EPISODE_COLUMNS
    assert all(len(column) == 0 for column in table.values())


def test_the_first_row_fixes_the_columns(tmp_path):
    GrowingTable(tmp_path / "t.csv").add([{"step": 1, "losses/td": math.nan}])
    again = GrowingTable(tmp_path / "t.csv")
    again.add([{"step": 2, "losses/td": 0.5}])
    assert (tmp_path / "t.csv").read_text() == "step,losses/td\n1,\n2,0.5\n"


@pytest.mark.parametrize("step", [0, 10, 25, 40])
def test_cutting_keeps_exactly_the_rows_up_to_the_step(tmp_path, step):
    written(tmp_path / "t.csv")
    GrowingTable(tmp_path / "t.csv", COLUMNS).cut(step)
    expected = written(tmp_path / "expected.csv", [row for row in ROWS if row["step"] <= step])
    assert (tmp_path / "t.csv").read_bytes() == expected


@pytest.mark.parametrize("given_columns", [COLUMNS, None])
def test_cut_at_any_byte_the_table_can_be_completed(tmp_path, given_columns):
    """A kill or a full disk leaves any prefix of the bytes; going on from step 20 repairs it."""
    complete = written(tmp_path / "complete.csv")
    path = tmp_path / "t.csv"
    for length in range(len(complete) + 1):
        path.write_bytes(complete[:length])
        table = GrowingTable(path, given_columns)
        table.cut(20)
        kept = read_table(path)["step"] if table.columns else np.array([])
        table.add([row for row in ROWS if row["step"] > (kept.max() if len(kept) else 0)])
        assert path.read_bytes() == complete, f"cut after {length} bytes"


@pytest.mark.parametrize("tail", [b"\0\0\0\0\n", b"\0\0\0\0", b"\xff\xfe\n", b"50\n", b"x,1\n"])
def test_garbage_after_a_power_cut_is_dropped(tmp_path, tail):
    complete = written(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(complete + tail)
    GrowingTable(tmp_path / "t.csv", COLUMNS).cut(100)
    assert (tmp_path / "t.csv").read_bytes() == complete


def test_another_table_is_not_continued(tmp_path):
    (tmp_path / "t.csv").write_text("when,what\n1,2\n")
    with pytest.raises(HandrailError, match="columns when, what: expected step, value"):
        GrowingTable(tmp_path / "t.csv", COLUMNS)
    assert (tmp_path / "t.csv").read_text() == "when,what\n1,2\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HandrailError, match="cannot write"):
        GrowingTable(tmp_path / "file" / "t.csv", COLUMNS)


@pytest.mark.parametrize("step", ["inf", "nan", "-1", "1e300"])
def test_a_step_that_is_no_count_is_refused(tmp_path, step):
    (tmp_path / "t.csv").write_text(f"step,cost\n{step},1\n")
    with pytest.raises(HandrailError, match="expected a number of steps"):
        read_table(tmp_path / "t.csv")


def test_a_table_that_no_run_writes_is_not_read_to_its_end(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("step,cost\n1,1\n")
    monkeypatch.setattr(records, "MOST_TEXT", 10)
    with pytest.raises(HandrailError, match="more than 10 characters"):
        read_table(tmp_path / "t.csv")


def test_rows_are_counted_whatever_columns_are_called(tmp_path):
    table = GrowingTable(tmp_path / "episodes.csv", ("step", 'cost.heat, "left"'))
    table.add([{"step": 1, 'cost.heat, "left"': 2.0}, {"step": 2, 'cost.heat, "left"': 2.0}])
    assert rows_until(tmp_path, 2) == {"episodes.csv": 2}
