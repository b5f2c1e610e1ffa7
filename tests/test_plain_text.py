"""Nothing in a text that is shown is obeyed by a terminal, and no line is endless."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from handrail.core.plain_text import MOST, message, plain

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b1m\r\n\u202eabc\u2028\ud800"


@given(st.text() | st.text(alphabet=EVIL))
def test_no_character_is_one_that_a_terminal_obeys(text):
    for one in plain(text):
        assert unicodedata.category(one) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    plain(text).encode("utf-8")


def test_what_is_harmless_stays():
    assert plain("γ = 0.99, [bold] → 'ä' 日本") == "γ = 0.99, [bold] → 'ä' 日本"
    assert plain("\x1b[2J\n") == "\\x1b[2J\\n"


def test_a_message_is_cut():
    assert message("x" * MOST) == "x" * MOST
    assert message("x" * 100_000) == "x" * (MOST - 1) + "…"
    assert len(message("\x1b" * 100_000)) == MOST
