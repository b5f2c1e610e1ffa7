"""Success rates and other numbers out of `info` in tables and summaries."""

import numpy as np
import pytest

from handrail.api.discrete import train_dqn
from handrail.api.students import train_student
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.gymnasium.info_columns import InfoColumns
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.sagui.settings import SacSettings
from tests.envs.toys import Walker

LEARNING = SacSettings(
    hidden=(4,), batch=4, train_every=20, updates=2, learning_starts=40, replay=500
)  # fmt: skip
FEW = {
    "method": "sac-lagrangian", "limit": 5.0, "episode_length": 20, "steps": 80, "epoch": 40,
    "evaluation_episodes": 2, "learning": LEARNING,
}  # fmt: skip


class Arrives(Walker):
    """Says whether it is to the right at the end, and how often an episode has begun."""

    begun = 0

    def reset(self, *, seed=None, options=None):
        self.begun += 1
        return Walker.reset(self, seed=seed, options=options)

    def step(self, action):
        *rest, info = Walker.step(self, action)
        return *rest, info | {"is_success": self.at > 0, "begun": self.begun}


class Numbered(Arrives):
    import gymnasium

    action_space = gymnasium.spaces.Discrete(2)

    def step(self, action):
        return Arrives.step(self, [2.0 * action - 1])


def test_a_students_tables_have_them(tmp_path):
    names = ["is_success", "begun"]
    summary = train_student(Arrives, None, tmp_path, info_columns=names, **FEW)
    table = read_table(tmp_path / "episodes.csv")
    assert table["info.begun"].tolist() == [1, 2, 3, 4]  # each with its own episode
    epochs = read_table(tmp_path / "evaluations.csv")
    assert epochs["behaviour_info.begun"].tolist() == [1.5, 3.5]
    assert epochs["behaviour_info.is_success"][0] == table["info.is_success"][:2].mean()
    assert epochs["target_info.begun"].tolist() == [1.5, 3.5]
    assert summary["last_epoch"]["target_info.begun"] == 3.5
    with pytest.raises(HandrailError, match="info_columns"):
        train_student(Arrives, None, tmp_path, info_columns=["begun"], **FEW)


def test_a_dqns_test_has_them(tmp_path):
    learning = QLearning(hidden=(4,), learning_starts=100, replay=200, batch=8)
    summary = train_dqn(
        Numbered, tmp_path, info_columns=["begun"], episode_length=20, steps=200,
        evaluation_episodes=3, learning=learning,
    )  # fmt: skip
    assert summary["test_info.begun"] == 2.0
    assert read_table(tmp_path / "episodes.csv")["info.begun"].tolist() == list(range(1, 11))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["is_sucess"], r"info\['is_sucess'\] is None at the end of an episode"),
        ("is_success", "expected names of numbers in info"),
    ],
)
def test_what_is_not_there_is_one_error(names, message, tmp_path):
    with pytest.raises(HandrailError, match=message):
        train_student(Arrives, None, tmp_path, info_columns=names, **FEW)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["begun", "x", "begun"], "info_columns has 'begun' twice; expected each name once"),
        (("a,b",), "info_columns has 'a,b'; expected names without commas and quotation marks"),
        (['a"b'], "expected names without commas and quotation marks"),
        (["a\nb"], "expected names of numbers in info"),
        (["a\rb"], "expected names of numbers in info"),
    ],
)
def test_names_that_no_table_could_have_are_refused_at_once(names, message):
    with pytest.raises(HandrailError, match=message) as refused:
        InfoColumns(names)
    assert "\n" not in str(refused.value)


def test_no_column_is_no_change(tmp_path):
    train_student(Arrives, None, tmp_path, **FEW)
    assert np.all([not name.startswith("info") for name in read_table(tmp_path / "episodes.csv")])
