"""Tables and values on the terminal: no word and no number is cut, at any width."""

import pytest

from handrail.equations.interval import Interval
from handrail.report import console
from handrail.report.html import Table

WIDE = Table(
    ("method", *(f"measurement{n} per epoch" for n in range(9))),
    tuple((f"method {m}", *(Interval(1e4 + m, 1e4, 2e4) for _ in range(9))) for m in range(3)),
    "Transfer",
)


def printed(monkeypatch, capsys, table: Table, width: int) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "50")
    console.show([table])
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 80, 120, 400])
def test_no_word_is_cut_and_no_line_is_too_long(monkeypatch, capsys, width):
    text = printed(monkeypatch, capsys, WIDE, width)
    words = text.replace("│", " ").replace("┃", " ").split()
    for number in range(9):
        assert f"measurement{number}" in words
    assert words.count("10,001") == 9
    assert max(map(len, text.splitlines())) <= width
    assert text.count("Transfer") == 1
    assert (words.count("method") > 4) == (width < 400), "repeated in every part, if there are some"


def test_one_table_stays_one_where_there_is_room(monkeypatch, capsys):
    few = Table(("method", "return"), (("dqn", 0.5),), "Small")
    text = printed(monkeypatch, capsys, few, 80)
    assert text.count("┏") == 1
    assert "0.5" in text


def test_a_table_of_one_column_and_one_without_rows_are_shown(monkeypatch, capsys):
    assert "alone" in printed(monkeypatch, capsys, Table(("alone",), (("x",),)), 80)
    assert "nothing" in printed(monkeypatch, capsys, Table(("nothing", "here"), ()), 80)


EVIL = "\x1b]0;owned\x07\x1b[2J\rok"
WORDS = ("[bold]x", "priors [/x] y", ":smile:", "[link=http://evil.invalid]z[/link]", "back\\")


@pytest.mark.parametrize("word", WORDS)
def test_what_looks_like_markup_is_shown_as_it_is(monkeypatch, capsys, word):
    table = Table((word, "return"), ((f"row {word}", 0.5),), f"caption {word}")
    text = printed(monkeypatch, capsys, table, 200)
    assert f"row {word}" in text and f"caption {word}" in text
    assert text.count(word) == 3


def test_no_control_character_reaches_the_terminal(monkeypatch, capsys):
    text = printed(monkeypatch, capsys, Table((EVIL, "a"), ((EVIL, 1.0),), EVIL), 200)
    assert not {"\x1b", "\x07", "\r"} & set(text)
    assert text.count("\\x1b]0;owned") == 3


def test_values_are_rounded_for_reading_and_parts_are_left_out(capsys):
    found = {
        "total_cost": 12345.678, "final_return": -0.4149088, "limit": 5.0, "steps": 150_000,
        "within_limit_alone": False, "best_safe": None, "guide_warnings": [], "nan": float("nan"),
        "last_epoch": {"step": 1.0}, "method": "full\x1b[2J", "told": ["one", "two"],
    }  # fmt: skip
    console.show_values(found)
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert dict(lines) == {
        "total_cost": "12,346", "final_return": "-0.415", "limit": "5", "steps": "150,000",
        "within_limit_alone": "no", "best_safe": "–", "guide_warnings": "–", "nan": "nan",
        "method": "full\\x1b[2J", "told": "one; two",
    }  # fmt: skip
