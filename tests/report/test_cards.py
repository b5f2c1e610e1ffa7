"""Cards on the terminal: everything that is in them, in words."""

import dataclasses

import numpy as np

from handrail.core.artifact import Card
from handrail.report import cards

CARD = Card(
    kind="guide",
    spec={"parts": {"gyro": [3], "ballquat_rear": [3, 3]}, "actions": 2, "limit": 1.0},
    network={"hidden": [32, 32]},
    training={
        "task": "navigation-static",
        "evaluation": {"step": 120_000, "return": 11.9587, "cost": 0.0, "exit_cost": 25.24},
        "settings": {"steps": 240_000, "rescue": {"share": 0.5}},
    },
    checksum="0123456789abcdef",
)


def shown(card, capsys) -> str:
    cards.show(card, {"actor.bias": np.zeros((2, 3), np.float32)})
    return capsys.readouterr().out


def test_a_guide_is_shown_with_its_evaluation(capsys):
    text = shown(CARD, capsys)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("a guide: a safe policy, and what it expects an action to cost")
    for line in (
        "parts.gyro 3",
        "parts.ballquat_rear 3 × 3",
        "limit 1 cost of an episode",
        "step 120,000 kept at this step",
        "return 11.96 per episode, undiscounted",
        "exit_cost 25.24 per episode that begins in a hazard",
        "task navigation-static",
        "rescue.share 0.5",
        "actor.bias float32[2, 3]",
    ):
        assert line in lines, f"{line!r} is not in\n{text}"
    assert "6 numbers; checksum 0123456789ab… verified" in text
    assert lines.index("evaluation") < lines.index("settings")


def test_what_is_empty_or_looks_like_markup_does_no_harm(capsys):
    card = dataclasses.replace(CARD, network={}, training={"note": "[bold]not bold[/x]"})
    text = shown(card, capsys)
    assert "[bold]not bold[/x]" in text and "network" not in text and "evaluation" not in text


def test_nothing_of_a_card_is_obeyed_by_the_terminal(capsys):
    evil = "\x1b]0;owned\x07\x1b[2J\x1b]52;c;cm0=\x07\rok\u202e [bold]b[/bold] :smile:"
    card = dataclasses.replace(
        CARD, spec={evil: {evil: evil}}, training={"task": evil, "long": "y" * 100_000},
        network={evil: [evil]}, library=evil,
    )  # fmt: skip
    cards.show(card, {evil: np.zeros(1, np.float32)})
    text = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)
    assert "[bold]b[/bold] :smile:" in " ".join(text.split())
    assert len(text) < 10_000
