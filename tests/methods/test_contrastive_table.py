"""The table of methods: every row runs on every problem, and a new one is one row."""

import dataclasses
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from handrail.api.discrete_files import load_encoder
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import host_of
from handrail.interventions.near_unsafe import AdaptiveRadius, FixedRadius, NearUnsafe
from handrail.interventions.triggers import BelowMean, Coin, Never
from handrail.methods import contrastive
from handrail.methods.contrastive.artefacts import save_encoder, save_q
from handrail.methods.contrastive.built import QNetwork
from handrail.methods.contrastive.encoder import MOST_UNSAFE
from handrail.methods.contrastive.on_host import host_problem
from handrail.methods.contrastive.settings import (
    EncoderSettings,
    QLearning,
    Safety,
    StudentSettings,
)
from handrail.methods.contrastive.student import check_student, student_loop
from handrail.methods.contrastive.table import METHODS, LoadedKnowledge
from handrail.networks.autoencoder import MLPEncoder
from tests.api.test_own_training import Line

SMALL = StudentSettings(
    steps=40, learning=QLearning(hidden=(4,), learning_starts=20, replay=100, batch=8),
    safety=Safety(bring_known=True),
)  # fmt: skip
KNOWLEDGE = LoadedKnowledge(
    actions=2, prior=lambda observation: jnp.zeros(2), embed=lambda observation: observation,
    initial_embeddings=jnp.ones((5, 2)), guide=lambda observation: jnp.zeros(2),
)  # fmt: skip


def conditions(name, settings=SMALL):
    method = METHODS[name]
    when = method.intervention(method.adjust(settings), KNOWLEDGE).when
    return {type(part): part for part in getattr(when, "conditions", (when,))}


def test_rows_say_who_acts_when():
    assert list(METHODS) == [
        "dqn", "priors-0.95", "priors-0.5", "ae", "vae", "full", "full-adaptive", "state-only",
        "action-only", "full-guide", "state-guide",
    ]  # fmt: skip
    for name in ("dqn", "ae", "vae"):
        assert conditions(name).keys() == {Never}
    for name in ("priors-0.95", "priors-0.5", "action-only"):
        assert conditions(name).keys() == {Coin, BelowMean}
    for name in ("full", "full-adaptive"):
        assert conditions(name).keys() == {NearUnsafe, Coin, BelowMean}
    assert conditions("state-only").keys() == {NearUnsafe, Coin}


def test_some_rows_fix_a_setting():
    assert conditions("priors-0.5")[Coin].probability == 0.5
    assert conditions("priors-0.95")[Coin].probability == SMALL.safety.prior_prob
    assert isinstance(conditions("full-adaptive")[NearUnsafe].radius, AdaptiveRadius)
    assert isinstance(conditions("full")[NearUnsafe].radius, FixedRadius)
    without = dataclasses.replace(SMALL, safety=Safety(bring_known=False))
    assert conditions("full", without)[NearUnsafe].initial_embeddings.shape == (0, 2)


@pytest.mark.parametrize("name", METHODS)
def test_what_a_row_needs_is_asked_for(name):
    method = METHODS[name]
    for kind in method.needs:
        rest = {other: Path("x") for other in method.needs if other != kind}
        with pytest.raises(HandrailError, match=f"method '{name}' needs a {kind}"):
            check_student(method, SMALL, rest)
    check_student(method, SMALL, {kind: Path("x") for kind in method.needs})
    odd = dataclasses.replace(SMALL, steps=45)
    with pytest.raises(HandrailError, match="steps is 45: expected a positive multiple of 10"):
        check_student(method, odd, {kind: Path("x") for kind in method.needs})


@pytest.fixture
def problem():
    host = host_of(Line())
    return host_problem(
        "Line", host, host.observation_zeros(), lambda key: host.reset(key=key), longest=20
    )


@pytest.mark.parametrize("name", ["vae", "full-adaptive"])
def test_a_row_learns_on_an_environment_on_the_host(problem, tmp_path, name):
    key = jax.random.key(0)
    network = problem.inputs.q_network(QNetwork((4,)), 2)(key=key)
    save_q(tmp_path / "prior", "prior", problem, QNetwork((4,)), network, {})
    settings = EncoderSettings(latent=3, hidden=(4,))
    embeddings = jnp.ones((MOST_UNSAFE, 3))
    encoder = MLPEncoder((2, 4, 3), key=key)
    save_encoder(tmp_path / "encoder", problem, settings, encoder, jax.device_get(embeddings), {})
    files = {kind: tmp_path / kind for kind in ("prior", "encoder")}
    loop = student_loop(problem, files, METHODS[name], SMALL)
    state = loop.init(key=key)
    before = jax.device_get(jax.tree.leaves(state.agent.network))
    state, _, metrics = loop.blocks(state, 3, learn=True)
    after = jax.device_get(jax.tree.leaves(state.agent.network))
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert all(jnp.isfinite(values).all() for values in metrics.values())
    tested = problem.test(loop.agent, state.agent, episodes=1, key=key)
    assert tested["greedy_length"] == 20
    assert load_encoder(tmp_path / "encoder", Line())[1].shape == (MOST_UNSAFE, 3)


def test_the_method_knows_no_task_by_its_name():
    texts = [path.read_text() for path in Path(contrastive.__file__).parent.glob("*.py")]
    assert len(texts) > 5
    assert not any(re.search(r"Crossing|LavaGap|S9N\d|[\"']lava", text) for text in texts)
    assert sum(len(re.findall(r"\bCard\(", text)) > 0 for text in texts) == 1
