"""An ensemble of priors: the priors of several seeds in one file."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import load, named_arrays, save
from handrail.core.errors import HandrailError
from handrail.interventions.ensemble import AdvantageBelow, PessimisticAdvantages
from handrail.methods.contrastive.artefacts import prior_values, read_prior
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.contrastive.student import intervention_of
from handrail.methods.contrastive.table import METHODS
from handrail.networks.ensemble import Ensemble
from handrail.tasks.lava.knowledge import acquire_prior
from handrail.tasks.lava.problems import student_problem
from handrail.tasks.lava.settings import LavaPrior, LavaRun

LEARNING = QLearning(learning_starts=50, replay=100, batch=8, hidden=(4,), prioritized=False)
SMALL = LavaPrior(
    source_steps=200, prior_steps=200, source_learning=LEARNING, prior_learning=LEARNING,
    sources=("LavaGapS5",), environment="LavaGapS5", seed=3,
)  # fmt: skip
RUN = LavaRun(environment="LavaGapS5", method="action-only")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of an ensemble of two, and of the priors of both seeds."""
    folder = tmp_path_factory.mktemp("priors")
    quiet = lambda run, step, total: None
    wanted = {
        "both": dataclasses.replace(SMALL, members=2),
        "first": SMALL,
        "second": dataclasses.replace(SMALL, seed=4),
    }
    return {name: acquire_prior(one, folder / name, quiet) for name, one in wanted.items()}


@pytest.fixture(scope="module")
def problem():
    return student_problem(RUN, "symbolic")


def test_members_are_the_priors_of_the_seeds(files):
    both, first, second = (load(files[name])[1] for name in ("both", "first", "second"))
    for name, array in both.items():
        own = name.removeprefix("members.")
        np.testing.assert_array_equal(array, np.stack([first[own], second[own]]))
    assert any((first[name] != second[name]).any() for name in first)
    assert load(files["both"])[0].network["members"] == 2
    assert "members" not in load(files["first"])[0].network


def test_an_ensemble_answers_with_what_each_prior_answers(files, problem):
    networks = {name: read_prior(path, problem.seen, 7) for name, path in files.items()}
    frame = jnp.asarray(problem.seen.frames[0])
    expected = jnp.stack([networks["first"](frame), networks["second"](frame)])
    np.testing.assert_allclose(networks["both"](frame), expected, rtol=1e-5, atol=1e-6)
    advantages = prior_values(problem.seen, networks["both"], 0.5)
    assert isinstance(advantages, PessimisticAdvantages)
    centred = expected - expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        advantages(jnp.int32(0)),
        centred.mean(axis=0) - 0.5 * centred.std(axis=0),
        rtol=1e-4,
        atol=1e-6,
    )


def test_a_run_checks_with_the_pessimism_of_its_settings(files, problem):
    safety = dataclasses.replace(RUN.safety, pessimism=2.0)
    run = dataclasses.replace(RUN, safety=safety)
    found = intervention_of(problem, {"prior": files["both"]}, METHODS["action-only"], run)
    check = found.when.conditions[1]
    assert isinstance(check, AdvantageBelow) and check.advantages.pessimism == 2.0
    with pytest.raises(HandrailError, match=r"safety.pessimism is 2, but the prior is one"):
        intervention_of(problem, {"prior": files["first"]}, METHODS["action-only"], run)


@pytest.mark.parametrize("members", [0, 33, "two", True, 3, 1])
def test_a_card_with_another_number_of_members_is_refused(files, problem, tmp_path, members):
    card, arrays = load(files["both"])
    damaged = dataclasses.replace(card, network={**card.network, "members": members})
    save(tmp_path / "x", damaged, arrays)
    with pytest.raises(HandrailError):
        read_prior(tmp_path / "x", problem.seen, 7)


def test_networks_are_stacked_by_array(problem, files):
    first = read_prior(files["first"], problem.seen, 7)
    stacked = Ensemble.of([first, first, first])
    for name, array in named_arrays(stacked).items():
        assert array.shape == (3, *named_arrays(first)[name.removeprefix("members.")].shape)
