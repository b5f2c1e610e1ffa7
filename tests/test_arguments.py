"""Numbers as people write them are taken; what is no such number is one clear error."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.arguments import (
    AtMost,
    Count,
    Discount,
    NonNegative,
    Range,
    Seed,
    checked,
    choice,
    folder_of,
    number,
    override,
    seed_number,
    settings_of,
    truth,
    whole,
)
from handrail.core.errors import HandrailError, UnknownName
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.sagui.settings import (
    GuideSettings,
    PretrainingSettings,
    SacSettings,
    StudentRun,
)
from handrail.networks.image_network import ImageNetwork
from handrail.tasks.lava.settings import LavaEncoder, LavaPrior, LavaRun

HUGE = 10**5_000


@dataclasses.dataclass(frozen=True)
class Inner:
    discount: Discount = 0.9
    hidden: tuple[Count, ...] = (8,)
    replay: Count = 100
    batch: Annotated[Count, AtMost("replay")] = 10


@dataclasses.dataclass(frozen=True)
class Outer:
    seed: Seed = 0
    on: bool = False
    kind: Literal["one", "two"] = "one"
    limit: NonNegative | None = None
    learning: Inner = Inner()


@pytest.mark.parametrize(
    "value", [100_000, 1e5, np.int64(100_000), np.float32(1e5), np.array(1e5), jnp.int32(100_000)]
)
def test_whole_numbers_are_taken_however_they_are_written(value):
    assert (whole("steps", value), type(whole("steps", value))) == (100_000, int)
    assert (number("limit", value), type(number("limit", value))) == (1e5, float)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: whole("steps", 1.5), "steps is 1.5: expected int, at least 0"),
        (lambda: whole("steps", "5"), "steps is '5': expected int, at least 0"),
        (lambda: whole("steps", True), "steps is True: expected int, at least 0"),
        (lambda: whole("steps", np.True_), "steps is True: expected int, at least 0"),
        (lambda: whole("steps", None), "steps is None: expected int, at least 0"),
        (lambda: whole("steps", [5]), "steps is [5]: expected int, at least 0"),
        (lambda: whole("steps", np.zeros(2)), "steps is a ndarray: expected int, at least 0"),
        (lambda: whole("episodes", 0, least=1), "episodes is 0: expected at least 1"),
        (lambda: whole("copies", 9, least=1, most=4), "copies is 9: expected from 1 to 4"),
        (lambda: whole("steps", math.inf), "steps is inf: expected int, at least 0"),
        (lambda: number("limit", "5"), "limit is '5': expected float, at least 0"),
        (lambda: number("limit", -1), "limit is -1.0: expected at least 0"),
        (lambda: number("limit", math.nan), "limit is nan: expected a finite number, at least 0"),
        (
            lambda: whole("steps", HUGE, least=1),
            "steps is a huge int: expected int, at least 1, of",
        ),
        (
            lambda: whole("steps", 10**19),
            "steps is 10000000000000000000: expected int, at least 0, of at",
        ),
        (lambda: number("limit", HUGE), "limit is a huge int: expected a finite number"),
        (lambda: number("x", math.inf, Range()), "x is inf: expected a finite number"),
        (lambda: number("x", 0, Range(0, above=True)), "x is 0.0: expected above 0"),
        (lambda: number("x", 1, Range(0, 1, below=True)), "expected at least 0 and below 1"),
        (lambda: seed_number(-1), "seed is -1: expected from 0 to 2147483647"),
        (lambda: seed_number(2**31), "seed is 2147483648: expected from 0 to 2147483647"),
        (lambda: truth("keep", 1), "keep is 1: expected bool"),
        (lambda: choice("method", "sacc", ("sac", "egpo")), "'sacc': did you mean 'sac'?"),
        (lambda: choice("method", ["sac"], ("sac", "egpo")), "known are egpo, sac"),
        (lambda: folder_of(None), "folder is None: expected a path"),
        (lambda: folder_of(" "), "folder is ' ': expected a path"),
    ],
)
def test_what_is_no_such_number_is_one_line(check, message):
    with pytest.raises(HandrailError, match=re.escape(message)) as caught:
        check()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_a_folder_may_begin_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder_of("~/run") == tmp_path / "run"
    assert folder_of(Path("run")) == Path("run")


@pytest.mark.parametrize(
    "settings",
    [StudentRun(), GuideSettings(), PretrainingSettings(), LavaRun(), LavaPrior(),
     LavaEncoder(), QLearning(), SacSettings()],
)  # fmt: skip
def test_the_defaults_are_in_their_ranges(settings):
    assert checked(settings) is settings


def test_checked_settings_hold_pythons_own_numbers():
    inner = Inner(discount=np.float64(0.5), hidden=[8.0, np.int32(4)], replay=1e2)  # type: ignore
    settings = checked(Outer(seed=np.int64(3), limit=5, on=np.True_, learning=inner))  # type: ignore
    assert settings == Outer(3, True, "one", 5.0, Inner(0.5, (8, 4), 100))
    numbers = (settings.seed, settings.limit, settings.learning.replay, settings.on)
    assert [type(value) for value in numbers] == [int, float, int, bool]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": None}, "seed is None: expected int, from 0 to 2147483647"),
        ({"kind": "tow"}, "unknown value of 'kind' 'tow': did you mean 'two'?"),
        ({"kind": 3}, "unknown value of 'kind' '3'"),
        ({"limit": "x"}, "limit is 'x': expected float, at least 0 | None"),
        ({"limit": -1.0}, "limit is -1.0: expected float, at least 0 | None"),
        (
            {"learning": Inner(discount=1.5)},
            "learning.discount is 1.5: expected at least 0 and bel",
        ),
        ({"learning": Inner(hidden=(0,))}, "learning.hidden is 0: expected at least 1"),
        ({"learning": Inner(batch=500)}, "learning.batch is 500: expected at most learning.replay"),
        ({"learning": 3}, "learning is 3: expected Inner, or a dictionary of its settings"),
    ],
)
def test_settings_with_a_wrong_number_are_refused_when_they_are_used(change, message):
    with pytest.raises(HandrailError, match=re.escape(message)):
        checked(dataclasses.replace(Outer(), **change))


def test_settings_may_be_a_dictionary_which_stands_above_the_default():
    assert settings_of("learning", None, Inner(replay=50)) == Inner(replay=50)
    assert settings_of("learning", {"batch": 20.0}, Inner(replay=50)) == Inner(0.9, (8,), 50, 20)
    assert settings_of("x", {"learning": {"batch": 2}}, Outer()).learning.batch == 2
    assert settings_of("learning", Inner(batch=3), Inner()) == Inner(batch=3)
    for given, message in (
        ({"bach": 3}, "'learning.bach': did you mean 'learning.batch'?"),
        ({"batch": 500}, "learning.batch is 500: expected at most learning.replay, 100"),
        ({3: 1}, "'learning.3'"),
        ("fast", "learning is 'fast': expected Inner"),
        (Outer(), "learning is a Outer: expected Inner"),
    ):
        with pytest.raises(HandrailError, match=re.escape(message)):
            settings_of("learning", given, Inner())


@pytest.mark.parametrize(
    ("name", "within", "nearest"),
    [
        ("learning.discont", "", "learning.discount"),
        ("discount", "", "learning.discount"),
        ("lerning.batch", "", "learning.batch"),
        ("learning.discont", "guide.", "guide.learning.discount"),
        ("lmit", "", "limit"),
    ],
)
def test_a_mistyped_name_comes_with_the_nearest_whole_name(name, within, nearest):
    with pytest.raises(UnknownName, match=f"{within}{name}'.*did you mean '{nearest}'"):
        override(Outer(), {name: 1}, within=within)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (LavaRun(), "learning.discount", 1.5),
        (LavaRun(), "learning.learning_rate", -1e-3),
        (LavaRun(), "safety.prior_prob", 1.1),
        (LavaRun(), "safety.threshold", 0.1),
        (LavaRun(), "steps", 0),
        (StudentRun(), "learning.discount", 1),
        (StudentRun(), "guide_interval_share", -0.1),
        (StudentRun(), "limit", math.inf),
        (GuideSettings(), "evaluation_episodes", 0),
        (GuideSettings(), "rescue.share", 2),
        (LavaEncoder(), "batch", 0),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_name(settings, name, value):
    with pytest.raises(HandrailError, match=f"{re.escape(name)} is .*: expected"):
        override(settings, {name: value})


def test_values_that_have_to_fit_each_other_are_set_at_once():
    sizes = {"images.channels": [8], "images.kernels": [3], "images.strides": [2]}
    assert override(LavaEncoder(), sizes).images == ImageNetwork((8,), (3,), (2,), ())
    with pytest.raises(HandrailError, match="images has 1 channels, 4 kernels and 4 strides"):
        override(LavaEncoder(), {"images.channels": [8]})
