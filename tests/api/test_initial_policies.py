"""A run that goes on from a policy of another run."""

import dataclasses
from unittest import mock

import jax
import numpy as np
import pytest

from handrail.api.discrete import train_dqn
from handrail.api.students import train_student
from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.sagui import train_student as student_training
from handrail.methods.sagui.pretraining import begun_from
from handrail.methods.sagui.settings import SacSettings
from handrail.networks.reading import Standardised
from tests.envs.toys import Walker

# with a learning rate of nothing what came in comes out
SAC = SacSettings(
    hidden=(4,), batch=4, train_every=20, updates=2, learning_starts=40, replay=500,
    learning_rate=1e-30,
)  # fmt: skip
STUDENT = {
    "method": "sac-lagrangian", "limit": 5.0, "episode_length": 20, "steps": 80, "epoch": 40,
    "evaluation_episodes": 1, "learning": SAC,
}  # fmt: skip
DQN = {
    "cost": lambda *given: 0.0, "steps": 200, "evaluation_episodes": 1,
    "learning": QLearning(
        hidden=(4,), learning_starts=100, replay=200, batch=8, learning_rate=1e-30
    ),
}  # fmt: skip


def same(one, two):
    first, second = (load(path / "policy.safetensors")[1] for path in (one, two))
    return all(np.allclose(first[name], second[name], atol=1e-6) for name in first)


def test_a_student_begins_as_another(tmp_path):
    train_student(Walker, None, tmp_path / "first", seed=1, **STUDENT)
    train_student(Walker, None, tmp_path / "afresh", seed=2, **STUDENT)
    begun = {**STUDENT, "initial": tmp_path / "first" / "policy.safetensors"}
    train_student(Walker, None, tmp_path / "on", seed=2, **begun)
    assert same(tmp_path / "on", tmp_path / "first")
    assert not same(tmp_path / "afresh", tmp_path / "first")
    with pytest.raises(HandrailError, match=r"needs\.initial"):
        begun["initial"] = tmp_path / "afresh" / "policy.safetensors"
        train_student(Walker, None, tmp_path / "on", seed=2, **begun)
    with pytest.raises(HandrailError, match=r"hidden is \(4,\).*set learning\.hidden"):
        wider = SacSettings(hidden=(8,), train_every=20)
        train_student(Walker, None, tmp_path / "wide", **{**begun, "learning": wider})


def test_a_dqn_begins_as_another(tmp_path):
    train_dqn("CartPole-v1", tmp_path / "first", seed=1, **DQN)
    file = tmp_path / "first" / "policy.safetensors"
    train_dqn("CartPole-v1", tmp_path / "on", seed=2, initial=file, **DQN)
    train_dqn("CartPole-v1", tmp_path / "afresh", seed=2, **DQN)
    assert same(tmp_path / "on", tmp_path / "first")
    assert not same(tmp_path / "afresh", tmp_path / "first")
    with pytest.raises(HandrailError, match=r"hidden is \(4,\).*set learning\.hidden"):
        wider = {**DQN, "learning": QLearning(hidden=(8,), replay=200, learning_starts=100)}
        train_dqn("CartPole-v1", tmp_path / "wide", initial=file, **wider)


def test_more_steps_are_refused_with_the_way_on(tmp_path):
    train_dqn("CartPole-v1", tmp_path, **DQN)
    with pytest.raises(HandrailError, match=r"steps was 200, now 400.*initial=FOLDER/policy"):
        train_dqn("CartPole-v1", tmp_path, **{**DQN, "steps": 400})


def test_what_observations_are_scaled_by_goes_along_to_all_networks(tmp_path):
    scaled = {**STUDENT, "learning": dataclasses.replace(SAC, normalise_observations=True)}
    train_student(Walker, None, tmp_path / "first", seed=1, **scaled)
    file = tmp_path / "first" / "policy.safetensors"
    known = load(file)[1]
    mean = next(value for name, value in known.items() if name.endswith("standard.mean"))
    begun = []

    def spied(*given, **named):
        begun.append(begun_from(*given, **named))
        return begun[-1]

    with mock.patch.object(student_training, "begun_from", spied):
        train_student(Walker, None, tmp_path / "on", seed=2, initial=file, **scaled)
    nodes = jax.tree.leaves(begun, is_leaf=lambda node: isinstance(node, Standardised))
    found = [node for node in nodes if isinstance(node, Standardised)]
    assert len(found) > 1  # critics have theirs
    assert all(np.array_equal(each.mean, mean) and each.known == 1 for each in found)
    with pytest.raises(HandrailError, match="its normalise_observations is True"):
        train_student(Walker, None, tmp_path / "plain", initial=file, **STUDENT)


def test_a_dqn_goes_on_only_as_it_reads(tmp_path):
    scaled = {**DQN, "learning": dataclasses.replace(DQN["learning"], normalise_observations=True)}
    train_dqn("CartPole-v1", tmp_path / "first", **scaled)
    file = tmp_path / "first" / "policy.safetensors"
    with pytest.raises(HandrailError, match="its normalise_observations is True"):
        train_dqn("CartPole-v1", tmp_path / "plain", initial=file, **DQN)
