"""Unknown names: what is proposed is a whole name that may be given."""

import dataclasses

import pytest

from handrail.core.arguments import override
from handrail.core.errors import HandrailError, UnknownName, nearest

KNOWN = ["learning.discount", "learning.batch", "guide.learning.discount", "steps", "threshold"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning.discont", "learning.discount"),
        ("discount", "learning.discount"),
        ("discont", "learning.discount"),
        ("guide.learning.discont", "guide.learning.discount"),
        ("learnin.batch", "learning.batch"),
        ("step", "steps"),
        ("something else", None),
        ("x" * 1_000_000, None),
        ("", None),
    ],
)
def test_the_nearest_whole_name_is_proposed(name, meant):
    assert nearest(name, KNOWN) == meant


@dataclasses.dataclass(frozen=True)
class Learning:
    discount: float = 0.99
    hidden: tuple[int, ...] = (8,)


@dataclasses.dataclass(frozen=True)
class Settings:
    learning: Learning = dataclasses.field(default_factory=Learning)
    steps: int = 10


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("learning.discont", r"'learning\.discont': did you mean 'learning\.discount'\?.*hidden"),
        ("discount", r"'discount': did you mean 'learning\.discount'\?.*known are learning, steps"),
        ("learning.steps", r"did you mean 'steps'\?"),
    ],
)
def test_a_setting_that_is_unknown_proposes_one_that_can_be_set(name, text):
    with pytest.raises(UnknownName, match=text):
        override(Settings(), {name: 1})


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(HandrailError, match=r"unknown method 'sagi': did you mean 'sagui'\? known"):
        raise UnknownName("method", "sagi", {"sagui", "dqn"})
