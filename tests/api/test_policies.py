"""Policies out of files act in environments of other libraries, in the units of these."""

import gymnasium
import jax
import numpy as np
import pytest

from handrail.api.policies import load_policy
from handrail.core.artifact import Card, save
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import host_of
from handrail.envs.registry import make
from handrail.envs.transfer import View
from handrail.interventions.recipes import none
from handrail.learners.sac.networks import OnVectors
from handrail.methods.contrastive.artefacts import save_q
from handrail.methods.contrastive.built import QNetwork
from handrail.methods.contrastive.inputs import TableInputs, VectorInputs, VectorQ
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.sagui.cards import Limits, Networks, card_of
from handrail.methods.sagui.guide import GuideNetworks, total_size
from handrail.methods.sagui.guide_file import write_guide
from handrail.methods.sagui.problem import interface_of
from handrail.networks.gaussian import GaussianPolicy
from handrail.safe_exploration import SafeExploration
from tests.envs.toys import Named, Walker

SEEN = np.array([0.3, -0.7], np.float32)
NETWORKS = Networks((4,))


class Steps(Walker):
    """The same with three actions that are numbered from 5."""

    action_space = gymnasium.spaces.Discrete(3, start=5)


class Wide(Walker):
    """The same with two numbers to act with."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)


class Narrow(Walker):
    """The same with other bounds."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)


def student(path, interface, *, kind="policy"):
    """A policy's file as students write it; returns the network."""
    card = card_of(kind, interface, NETWORKS, Limits(1.0, 20), training={})
    size = total_size(card.spec["parts"])
    policy = GaussianPolicy(size, interface.actions.size, NETWORKS.hidden, key=jax.random.key(3))
    save(path, card, policy)
    return policy


def dqn(path, name, environment, inputs, actions):
    """A file as `train_dqn` writes it; returns the network."""
    problem = DiscreteProblem(name, environment, inputs, lambda *_: None, lambda *_, **__: {})
    network = inputs.q_network(QNetwork((4,)), actions)(key=jax.random.key(4))
    save_q(path, "policy", problem, QNetwork((4,)), network, {})
    return network


def guide(path, interface, limits):
    """A guide's file; returns its networks."""
    networks = GuideNetworks.fresh(
        2, 1, NETWORKS.hidden, costs=max(len(limits.several), 1), key=jax.random.key(5)
    )
    write_guide(
        path, networks, interface, NETWORKS, limits, discount=0.9, takeover_cost=None, training={}
    )
    return networks


def walker(**changes):
    return interface_of(host_of(Walker(**changes)), 20)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "policy.safetensors"


@pytest.mark.parametrize("kind", ["policy", "expert"])
def test_a_student_acts_in_the_units_of_the_box(file, kind):
    network = OnVectors(student(file, walker(), kind=kind))
    policy = load_policy(file, Walker())
    mode = float(network(SEEN).mode()[0])
    assert policy(SEEN) == pytest.approx(1 + 3 * mode, abs=1e-5)  # of a Box from −2 to 4
    assert Walker.action_space.contains(policy(SEEN))
    assert policy.card.spec["limit"] == 1.0


def test_draws_are_those_of_the_policy_and_of_the_seed(file):
    network = OnVectors(student(file, walker()))
    policy, again, other = (load_policy(file, Walker(), seed=seed) for seed in (0, 0, 1))
    drawn = np.array([policy(SEEN, sampled=True)[0] for _ in range(2_000)])
    assert drawn[:5].tolist() == [again(SEEN, sampled=True)[0] for _ in range(5)]
    assert drawn[0] != other(SEEN, sampled=True)[0]
    said = network(SEEN)
    before = np.arctanh(np.clip((drawn - 1) / 3, -0.99999, 0.99999))
    assert before.mean() == pytest.approx(float(said.mean[0]), abs=0.1)
    assert before.std() == pytest.approx(float(np.exp(said.log_std[0])), rel=0.1)


def test_named_parts_are_read_by_their_names(file):
    interface = interface_of(host_of(Named(), parts=["phase", "position"]))
    network = OnVectors(student(file, interface))
    env = Named()
    policy = load_policy(file, env)  # its space has a text that no network reads
    seen, _ = env.reset(seed=1)
    read = {"phase": np.array([1, 0, 0], np.float32), "position": np.float32(seen["position"])}
    assert policy(seen) == pytest.approx(1 + 3 * float(network(read).mode()[0]), abs=1e-5)


@pytest.mark.parametrize("several", [{}, {"heat": 1.0, "noise": 2.0}])
def test_a_guide_acts_by_itself_whatever_its_costs(file, several):
    networks = guide(file, walker(), Limits(1.0, 20, several))
    policy = load_policy(file, Walker())
    mode = float(OnVectors(networks.actor)(SEEN).mode()[0])
    assert policy(SEEN) == pytest.approx(1 + 3 * mode, abs=1e-5)


def test_a_guide_sees_through_a_view(file):
    guide(file, walker(), Limits(1.0, 20))
    plain, turned = load_policy(file, Walker()), load_policy(file, Walker(), view=lambda o: -o)
    assert turned(-SEEN) == pytest.approx(plain(SEEN), abs=1e-6)
    student(file, walker())
    with pytest.raises(HandrailError, match="holds a policy; only guides have a view"):
        load_policy(file, Walker(), view=View.keep(["observation"]))


def test_a_dqn_takes_the_best_action_in_the_numbers_of_the_space(file):
    inputs = VectorInputs(np.zeros(2, np.float32))
    network = dqn(file, "Steps", host_of(Steps()), inputs, 3)
    assert isinstance(network, VectorQ)
    policy = load_policy(file, Steps)
    for seen in np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32):
        action = policy(seen)
        assert type(action) is int
        assert action == 5 + int(np.argmax(network(seen)))
    with pytest.raises(HandrailError, match="Steps: sampled is true, but the file has action"):
        policy(SEEN, sampled=True)


def test_environments_that_are_wrapped_or_side_by_side(file):
    student(file, walker())
    alone = load_policy(file, Walker())(SEEN)

    class Plain(Walker, gymnasium.Env):
        pass

    guarded = SafeExploration(Walker(), none())
    vector = gymnasium.vector.SyncVectorEnv([Plain, Plain])
    for env in (guarded, vector, Walker):
        assert load_policy(file, env)(SEEN) == alone


def test_the_papers_runs_act_in_their_own_worlds(file):
    world = make("LavaCrossingS9N1")
    inputs = TableInputs(world.observations.frames, world.observations.live, "symbolic")
    network = dqn(file, "LavaCrossingS9N1", world, inputs, world.actions.n)
    policy = load_policy(file, world)
    frames = np.asarray(world.observations.frames, np.float32)
    for row in range(0, world.observations.live, 40):
        assert policy(np.int32(row)) == int(np.argmax(network(jax.numpy.array(frames[row]))))
    with pytest.raises(HandrailError, match=r"the observation is -1; expected the number"):
        policy(-1)
    with pytest.raises(HandrailError, match=r"trained in a lava world of ours.*handrail\.make"):
        load_policy(file, "CartPole-v1")

    task = make("navigation-static")
    network = OnVectors(student(file, interface_of(task, name="static")))
    _, seen = task.reset(key=jax.random.key(0))
    assert load_policy(file, task)(seen) == pytest.approx(np.array(network(seen).mode()), abs=1e-5)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Steps, "does not fit Steps: the policy is for real numbers, and there are discrete"),
        (Wide, "its actions is 1, expected 2"),
        (Narrow, "does not fit Narrow: its actions are for bounds"),
        (Named, r"its parts is \{'observation': \[2\]\}, expected"),
        ("Nope-v0", "cannot make the environment 'Nope-v0'"),
    ],
)
def test_what_does_not_fit_is_refused(file, env, message):
    student(file, walker())
    with pytest.raises(HandrailError, match=message):
        load_policy(file, env)


def test_files_without_a_policy_are_refused(file):
    with pytest.raises(HandrailError, match="does not exist"):
        load_policy(file, Walker())
    with pytest.raises(HandrailError, match="is a folder; give a file in it"):
        load_policy(file.parent, Walker())
    save(file, Card("prior", {}, {"hidden": []}), {"x": np.zeros(1, np.float32)})
    with pytest.raises(HandrailError, match="holds a prior, which does not act"):
        load_policy(file, Walker())


def test_an_observation_of_another_space_is_refused_by_name(file):
    student(file, walker())
    with pytest.raises(HandrailError, match=r"Walker: the observation has shape \(3,\)"):
        load_policy(file, Walker())(np.zeros(3, np.float32))
