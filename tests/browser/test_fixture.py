"""The fixture itself: it fails where a page misbehaves."""

import pytest

WRONG = {
    "script: ": "<script>throw new Error('broken')</script>",
    "console: ": "<script>console.error('broken')</script>",
    "request: ": "<img src='https://handrail.invalid/a.png'>",
    "wider than its window": "<div style='width: 5000px'>x</div>",
}


@pytest.mark.parametrize("told", WRONG)
def test_what_a_page_must_never_do_is_told(look, told):
    shown, wrong = look(f"<!doctype html><title>t</title>{WRONG[told]}")
    assert any(told in text for text in wrong(shown)), wrong(shown)


def test_a_quiet_page_is_not_told_of(look):
    shown, wrong = look("<!doctype html><title>t</title>x")
    assert not wrong(shown)
