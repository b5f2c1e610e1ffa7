"""Training on several environments side by side."""

import functools
import json

import gymnasium
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from handrail.api.discrete import train_dqn, train_encoder, train_prior
from handrail.api.discrete_files import load_encoder, load_prior
from handrail.api.guides import train_guide
from handrail.api.students import train_student
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.gymnasium.building import build_host
from tests.api.test_own_training import FEW, Line, OtherEnd, Q, moved
from tests.envs.toys import Walker

pytestmark = pytest.mark.optimized  # bit for bit


class Env(Walker, gymnasium.Env):
    """`Walker` as vector environments take it."""


class LineEnv(Line, gymnasium.Env):
    """`Line` as vector environments take it."""


class OtherEnv(OtherEnd, gymnasium.Env):
    """`OtherEnd` as vector environments take it."""


def beside(*kinds, **options):
    """A function that builds an environment of each kind, side by side."""
    return functools.partial(SyncVectorEnv, kinds, **options)


TABLES = ("episodes.csv", "evaluations.csv", "progress.csv")


def tables(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


def test_one_side_by_side_trains_what_a_single_environment_trains(tmp_path):
    """Byte by byte, whenever the vector environment would have reset by itself."""

    def seen(name, kind, train):
        train(kind, tmp_path / name)
        return tables(tmp_path / name)

    def guide(kind, folder):
        train_guide(kind, folder, bonus=moved, limit=1.0, **FEW)

    def student(kind, folder):
        train_student(kind, tmp_path / "alone" / "guide.safetensors", folder, limit=2.0, **FEW)

    default = beside(Env, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert seen("alone", Env, guide) == seen("beside", default, guide)
    expected = seen("student", Env, student)
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
        assert seen(mode.name, beside(Env, autoreset_mode=mode), student) == expected


def test_a_guide_and_a_student_with_it(tmp_path):
    """Guides act in each by itself; episodes of different lengths are told apart."""
    lengths = (20, 12, 20, 9)
    together = beside(*(functools.partial(Env, length) for length in lengths))
    guide = train_guide(together, tmp_path / "guide", bonus=moved, limit=1.0, **FEW)
    settings = json.loads((tmp_path / "guide" / "run.json").read_text())
    assert settings["run"]["environment"] == "4 × Env"
    folder = tmp_path / "student"
    summary = train_student(together, guide, folder, limit=2.0, **FEW)
    assert 0 < summary["intervention_rate"] < 1
    rows = read_table(folder / "episodes.csv")
    expected = sorted(
        (4 * wave + copy + 1, length)
        for copy, length in enumerate(lengths)
        for wave in range(length - 1, 20, length)
    )
    assert list(zip(rows["step"], rows["length"], strict=True)) == expected
    assert (rows["interventions"] < rows["length"]).all()
    tests = read_table(folder / "evaluations.csv")
    assert tests["target_length"].tolist() == [16, 16]  # two episodes, in the first two
    before = tables(folder)
    assert train_student(together, guide, folder, limit=2.0, **FEW) == summary
    assert tables(folder) == before
    other = beside(*(functools.partial(Env, length) for length in lengths[:2]))
    with pytest.raises(HandrailError, match="other settings"):
        train_student(other, guide, folder, limit=2.0, **FEW)


class Stopped(Exception):
    """In place of a kill."""


def test_a_run_that_was_interrupted_goes_on_in_new_episodes(tmp_path, monkeypatch):
    def stop(step, total):
        if step == 80:  # the last checkpoint is of 60, in the midst of both's second episode
            raise Stopped

    monkeypatch.setenv("HANDRAIL_CHECKPOINT_SECONDS", "0")
    few = FEW | {"steps": 120, "epoch": 60, "limit": 1.0, "bonus": moved}
    together = beside(Env, Env)
    with pytest.raises(Stopped):
        train_guide(together, tmp_path, **few, report=stop)
    assert list((tmp_path / "checkpoints").glob("step-*"))
    train_guide(together, tmp_path, **few)
    rows = read_table(tmp_path / "episodes.csv")
    assert rows["step"].tolist() == [39, 40, 99, 100]
    assert rows["length"].tolist() == [20] * 4


def test_processes_are_used_and_closed(tmp_path):
    built = []

    def make():
        built.append(AsyncVectorEnv([Env, Env], context="spawn"))
        return built[-1]

    train_guide(make, tmp_path / "a", bonus=moved, limit=1.0, **FEW)
    assert [env.closed for env in built] == [True, True]
    train_guide(beside(Env, Env), tmp_path / "s", bonus=moved, limit=1.0, **FEW)
    assert tables(tmp_path / "a") == tables(tmp_path / "s")


def test_priors_encoders_and_dqns(tmp_path):
    pair = beside(LineEnv, LineEnv)
    few = {"steps": 40, "learning": Q}
    path = train_prior(
        [pair, beside(OtherEnv, OtherEnv)], tmp_path / "prior", prior_steps=40, prior_learning=Q,
        **few,
    )  # fmt: skip
    prior = load_prior(path, Line())
    assert load_prior(path, pair()).mlp.layers[0].weight.shape == prior.mlp.layers[0].weight.shape
    summary = train_dqn(pair, tmp_path / "dqn", episode_length=20, evaluation_episodes=3, **few)
    assert summary["greedy_length"] == 20
    encoder = train_encoder(
        pair, tmp_path / "encoder", steps=200, latent=2, hidden=(4,), batch=8, acting=Q
    )
    assert load_encoder(encoder, Line())[1].shape[1] == 2


@pytest.mark.parametrize(
    ("environment", "options", "message"),
    [
        (beside(Env, Env, Env), {}, "3 environments side by side, and the agent's block is 20"),
        (beside(Env)(), {}, "is a SyncVectorEnv; expected the id .* or a function that builds"),
        (beside(Env, Env), {"episode_length": None}, "2 × Env says nothing of its time limit"),
        (beside(Env), {"parts": ["x"]}, "1 × Env, copy 0: .* without named parts"),
        (beside(LineEnv), {}, r"handrail.train_dqn .* with intervention"),
    ],
)
def test_what_is_refused(environment, options, message, tmp_path):
    with pytest.raises(HandrailError, match=message):
        train_guide(environment, tmp_path / "run", **(FEW | {"limit": 1.0} | options))
    assert not (tmp_path / "run").exists()


def test_a_wrong_cost_names_the_copy(tmp_path):
    class Wrong(Env):
        def step(self, action):
            *values, info = Env.step(self, action)
            return *values, {} if self.count == 5 else info

    with pytest.raises(HandrailError, match=r"copy 1, episode 0, step 5: the step has no cost"):
        train_guide(beside(Env, Wrong), tmp_path, limit=1.0, **FEW)
    assert build_host(beside(Env, Wrong)).name == "2 × Env"
