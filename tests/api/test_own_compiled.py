"""Compiled environments in the functions for environments of one's own, through the same door."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.api.discrete import train_dqn, train_encoder, train_prior
from handrail.api.guides import train_guide, try_guide
from handrail.api.policies import load_policy
from handrail.api.students import train_student
from handrail.cli.evaluate import evaluate
from handrail.cli.record import Asked, VideoLook, record
from handrail.core.errors import HandrailError
from handrail.core.identity import passed_in
from handrail.core.records import EPISODES, PROGRESS, read_table
from handrail.envs.host import AbstractHost
from handrail.envs.jax_libraries.brax import from_brax
from handrail.envs.jax_libraries.own import own_environment
from handrail.interventions.recipes import none, shield
from handrail.interventions.substitutes import Policy
from handrail.learners.sac.agent import SacAgent
from handrail.methods.contrastive.artefacts import load_q
from handrail.methods.contrastive.inputs import VectorInputs
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.sagui.settings import SacSettings
from handrail.replay.ring import Ring
from handrail.train import run as running
from handrail.train.compiled import Loop
from handrail.train.vmapped import VmappedRuns
from tests.envs.compiled_toys import NO, Cells, Falling, OneStep, Track

Q = QLearning(hidden=(8,), learning_starts=20, replay=200, batch=8, target_every=20)
LEARNING = SacSettings(
    hidden=(4,), batch=4, train_every=20, updates=2, learning_starts=40, replay=500
)
FEW = {"steps": 80, "epoch": 40, "evaluation_episodes": 2, "learning": LEARNING}
TRACK, CELLS = "tests.envs.compiled_toys:Track", "tests.envs.compiled_toys:Cells"
NAMED = "tests.api.test_own_compiled:FALLING"
FALLING = from_brax(Falling())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def guide(runs):
    return train_guide(
        Track, runs / "guide", limit=2.0, bonus="seen.place", shield_episodes=2, **FEW
    )


@pytest.fixture(scope="module")
def student(runs, guide):
    summary = train_student(Track(), guide, runs / "student", limit=5.0, **FEW)
    return runs / "student", summary


@pytest.fixture(scope="module")
def dqn(runs):
    def at_the_edge(context):
        return (context.observation[1] == 1) & (context.proposed == 0)

    right = shield(at_the_edge, Policy(lambda observation, key: (jnp.int32(1), {})))
    summary = train_dqn(
        Cells(), runs / "dqn", steps=200, intervention=right, learning=Q, evaluation_episodes=2
    )
    return runs / "dqn", summary


def test_a_shielded_dqn_costs_nothing(dqn):
    folder, summary = dqn
    assert summary["violations"] == 0 and summary["intervention_rate"] > 0
    lengths = read_table(folder / EPISODES)["length"]
    assert lengths.max() == 20 and lengths.sum() > 180  # the time limit of the class
    recorded = json.loads((folder / "run.json").read_text())
    assert recorded["environment"] == "Cells" and recorded["episode_length"] == 1000


def test_a_guide_and_a_student_on_the_compiled_loop(runs, guide, student, monkeypatch):
    folder, summary = student
    tests = read_table(folder / "evaluations.csv")
    assert tests["target_length"].tolist() == [20, 20] and summary["limit"] == 5
    found = try_guide(Track(), guide, episodes=3, episode_length=10)
    assert 0 <= found["shielded_share"] <= 1
    monkeypatch.setattr(AbstractHost, "__init__", None)  # no host was built
    again = train_student(Track(), guide, folder, limit=5.0, **FEW)
    assert again == summary


def test_policies_act_in_the_units_of_the_environment(student):
    policy = load_policy(student[0] / "policy.safetensors", Track())
    _, observation = Track().reset(key=jax.random.key(0))
    own = own_environment(Track())
    inner = load_policy(student[0] / "policy.safetensors", own)
    action = policy(observation)
    assert action.shape == (1,) and abs(action) <= 2
    np.testing.assert_allclose(action, 2 * inner(own.observed(observation)), rtol=1e-5)


def test_the_command_evaluates_what_training_tested(student, dqn):
    found = evaluate(student[0], episodes=3, seed=0, environment=TRACK)
    assert found["episodes"] == 3 and found["mean_length"] == 20
    greedy = evaluate(dqn[0], episodes=2, seed=0, environment=CELLS)
    assert greedy["mean_length"] == dqn[1]["greedy_length"]
    with pytest.raises(HandrailError, match="its steps say their cost: leave cost out"):
        evaluate(
            student[0], episodes=1, seed=0, environment=TRACK,
            cost_fn="tests.test_evaluate_own:cost",
        )  # fmt: skip


def test_an_environment_of_brax_by_its_name(runs):
    train_student(FALLING, None, runs / "falling", method="sac-lagrangian", limit=1.0, **FEW)
    found = evaluate(runs / "falling", episodes=2, seed=0, environment=NAMED)
    assert found["mean_length"] <= 8


@pytest.mark.parametrize("terminates", [True, False])
def test_values_end_at_the_end_of_the_task_and_go_on_through_a_time_limit(tmp_path, terminates):
    """A step pays 1: its value is 1, or with a discount of one half 1 + 1/2 + 1/4 + … = 2."""
    learning = QLearning(
        hidden=(8,), learning_starts=20, replay=200, batch=16, target_every=20, discount=0.5,
        learning_rate=0.02, train_every=10,
    )  # fmt: skip
    env = OneStep(terminates)
    train_dqn(env, tmp_path / "run", steps=3000, learning=learning, evaluation_episodes=1)
    network = load_q(tmp_path / "run" / "policy.safetensors", "policy", VectorInputs(np.ones(1)), 2)
    np.testing.assert_allclose(network(jnp.ones(1)).max(), 1 if terminates else 2, atol=0.1)


class Breaks(Cells):
    """An observation that is not finite at the left end."""

    def step(self, state, action, *, key):
        state, timestep = super().step(state, action, key=key)
        broken = jnp.where(state[0] == 0, jnp.nan, timestep.observation)
        return state, type(timestep)(
            broken, timestep.reward, timestep.cost, timestep.terminated, timestep.truncated
        )


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (Cells(cost=-1.0), r"Cells: the cost is negative .* at step \d+ of the run"),
        (Cells(cost=float("inf")), "Cells: the cost is not finite"),
        (Breaks(), "Breaks: the reward or an observation is not finite"),
    ],
)
def test_numbers_that_are_none_stop_the_run(tmp_path, environment, message):
    with pytest.raises(HandrailError, match=message):
        train_dqn(environment, tmp_path / "run", steps=200, learning=Q)
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_test_alone_finds_them_as_well(guide):
    class Costly(Track):
        def step(self, state, action, *, key):
            state, timestep = super().step(state, action, key=key)
            return state, type(timestep)(
                timestep.observation, timestep.reward, timestep.cost - 1, NO, NO
            )

    with pytest.raises(HandrailError, match=r"Costly: the cost is negative .* in episode 0"):
        try_guide(Costly(), guide, episodes=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": lambda *_: 0.0}, "its steps say their cost"),
        ({"limits": {"heat": 1.0}}, "has one cost: give limit"),
        ({"parts": ["goal"]}, "parts has 'goal'"),
    ],
)
def test_options_that_are_for_gymnasium(tmp_path, options, message):
    with pytest.raises(HandrailError, match=message):
        train_guide(Track, tmp_path / "run", limit=1.0, **options)
    with pytest.raises(HandrailError, match=r"wrap it, as handrail.from_brax"):
        train_guide(Falling(), tmp_path / "run", limit=1.0)


def test_episodes_are_recorded_of_gymnasium_alone(student, tmp_path):
    with pytest.raises(HandrailError, match="Track is compiled, and episodes are recorded"):
        record([student[0]], tmp_path / "film.html", Asked(environment=TRACK), VideoLook())


def test_priors_and_encoders_are_learnt(tmp_path):
    few = {"steps": 100, "episode_length": 10}
    encoder = train_encoder(Cells(), tmp_path / "encoder", acting=Q, hidden=(8,), latent=4, **few)
    prior = train_prior(
        [Cells(), Cells()], tmp_path / "prior", prior_steps=100, learning=Q, prior_learning=Q, **few
    )
    assert encoder.exists() and prior.exists()


class Cut(BaseException):
    """Like Ctrl-C."""


def test_a_run_that_was_cut_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "CHUNK_STEPS", 50)
    monkeypatch.setenv("HANDRAIL_CHECKPOINT_SECONDS", "0")
    given = {"steps": 300, "learning": Q, "evaluation_episodes": 1}

    def cut(step, total):
        if step > 150:
            raise Cut

    whole = train_dqn(Cells(), tmp_path / "whole", **given)
    with pytest.raises(Cut):
        train_dqn(Cells(), tmp_path / "cut", report=cut, **given)
    steps = []
    again = train_dqn(
        Cells(), tmp_path / "cut", report=lambda step, total: steps.append(step), **given
    )
    assert min(steps) > 100
    assert whole | {"wall_s": 0} == again | {"wall_s": 0}
    for name in (EPISODES, PROGRESS, "policy.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_seeds_as_one_program_are_the_runs_by_themselves():
    agent = SacAgent(replay=Ring(200), hidden=(4,), batch=4, learning_starts=40, updates=2)
    loop = Loop(FALLING, agent, none(), total=200)
    keys = jax.random.split(jax.random.key(0), 2)
    together = VmappedRuns([loop, loop])
    _, records, _ = together.blocks(together.init(keys), 2, learn=False)
    for number, key in enumerate(keys):
        _, alone, _ = loop.blocks(loop.init(key=key), 2, learn=False)
        mine = jax.tree.map(lambda leaf, at=number: leaf[at], records)
        for one, two in zip(jax.tree.leaves(mine), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


def test_runs_know_their_environment():
    def described(env):
        return passed_in(own_environment(env), env)["environment"]

    assert described(Cells()) == described(Cells())
    assert described(Cells()) != described(Cells(cost=2.0))
    other = Falling()
    other._hidden = 3  # options of other libraries' environments are private
    falling = [passed_in(from_brax(env), None)["environment"] for env in (Falling(), other)]
    assert falling[0] != falling[1] and falling[0] == passed_in(FALLING, None)["environment"]
    cheap = from_brax(Falling(), cost="metrics:harm")
    assert passed_in(cheap, None)["environment"] != falling[0]
