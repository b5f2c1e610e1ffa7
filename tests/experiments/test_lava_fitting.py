"""Knowledge of lava that does not fit a run is refused before anything is computed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import Card, save
from handrail.core.errors import HandrailError
from handrail.core.recorded import original, stable
from handrail.methods.contrastive.artefacts import read_prior
from handrail.networks.mlp import MLP
from handrail.tasks.lava.fitting import check_acquired, knowledge_of
from handrail.tasks.lava.problems import explored_problem, prior_problem, student_problem
from handrail.tasks.lava.resolve import resolve
from handrail.tasks.lava.settings import LavaEncoder, LavaPrior

LARGE = {"environment": "LavaCrossingS11N5", "method": "full"}
MANY = {"method": "full", "knowledge": "many"}
PIXELS = {**MANY, "observation": "pixels"}
WINDOWS = {"prior.window": 7, "encoder.window": 7}


def suits(**settings):
    row = resolve(settings)
    check_acquired(row.run, row.knowledge)


@pytest.mark.parametrize(
    "settings",
    [
        MANY,
        {**MANY, "prior.further_environments": ["LavaCrossingS9N1"]},
        {**LARGE, **WINDOWS},
        {**LARGE, "method": "dqn"},
        {**LARGE, "observation": "pixels"},
        {**MANY, "safety.pessimism": 1.0, "prior.members": 3},
        {**MANY, "observation": "pixels", "prior.appearance": "random"},
        {"method": "full", "observation": "pixels", "encoder.appearance": "random"},
        {**PIXELS, "prior.source_learning.images.channels": [4, 4, 4]},
        {**PIXELS, "encoder.images.strides": [2, 2, 2, 1], "encoder.acting.images.hidden": [8]},
    ],
)
def test_what_fits_is_taken(settings):
    suits(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (LARGE, "prior: grids of LavaCrossingS9N1 are 9 × 9 cells, those of LavaCrossingS11N5 11"),
        ({**LARGE, "prior.window": 7}, "encoder: grids of LavaCrossingS9N1 are 9 × 9"),
        ({**MANY, "prior.window": 7}, "prior.window is 7, encoder.window is None"),
        ({**MANY, "prior.window": 8, "encoder.window": 8}, "window is 8: expected an odd number"),
        ({**MANY, **WINDOWS, "prior.view": "symbolic"}, "prior.window is 7, but prior.view is"),
        ({**MANY, "safety.pessimism": 1.0}, "safety.pessimism is 1, but prior.members is 1"),
        ({**MANY, "encoder.appearance": "random"}, "encoder.view is 'egocentric', which has no"),
        (
            {"method": "full", "observation": "pixels", "prior.appearance": "random"},
            "prior.layouts is 'one'",
        ),
        (
            {**MANY, "prior.further_environments": ["LavaCrossingS11N5"]},
            "LavaCrossingS9N2 has 9 × 9 cells and 324 steps .* LavaCrossingS11N5 11 × 11",
        ),
        ({**MANY, "encoder.further_environments": ["LavaCrossingS9N2"]}, "occurs twice"),
        ({"method": "dqn", "safety.max_distance": 1.0}, "'dqn' has no encoder that it is for"),
        ({"method": "state-only", "safety.threshold": -1.0}, "'state-only' has no prior that"),
        ({"method": "full", "safety.guide_temperature": 1.0}, "'full' has no guide that it is"),
        ({"method": "state-only", "safety.repeat_distance": 1.0}, "has one check at the most"),
        ({"method": "priors-0.5", "safety.prior_prob": 0.7}, r"'priors-0.5' means 0\.5: leave"),
        (
            {**PIXELS, "prior.prior_learning.images.strides": [2, 2, 1]},
            "prior.prior_learning.images is .* set channels and hidden only",
        ),
        ({**PIXELS, "encoder.acting.images.hidden": []}, "encoder.acting.images is .* one layer"),
        ({**PIXELS, "encoder.images.hidden": [9]}, "encoder.images is .* leave hidden empty"),
        ({**PIXELS, "encoder.images.strides": [4, 4, 4, 1]}, "these need .* pixels a side"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(HandrailError, match=message):
        suits(**settings)


def test_settings_of_older_knowledge_are_recorded_as_they_were():
    for kind in (LavaPrior, LavaEncoder):
        for recorded in (stable(kind()), original(kind())):
            new = {"further_environments", "window", "appearance", "members"}
            assert not new & recorded.keys()
        assert stable(dataclasses.replace(kind(), window=7))["window"] == 7


def test_a_prior_and_an_encoder_are_trained_in_all_their_environments():
    further = ("LavaCrossingS9N1",)
    prior = LavaPrior(
        view="egocentric", layouts="many", environment="LavaCrossingS9N2", pool=3,
        further_environments=further, window=5,
    )  # fmt: skip
    encoder = LavaEncoder(
        view="egocentric", environment="LavaCrossingS9N2", pool=3, further_environments=further,
        window=5,
    )  # fmt: skip
    alone = prior_problem(prior, "LavaCrossingS9N2")
    both = prior_problem(prior, "LavaCrossingS9N2", further)
    assert len(alone.environment.grids) == 3
    for problem in (both, explored_problem(encoder)):
        rivers = [rivers_of(grid) for grid in problem.environment.grids]
        assert rivers == [2, 2, 2, 1, 1, 1]
        assert problem.inputs.spec == {"view": "egocentric", "window": 5, "shape": [75]}


def test_knowledge_of_pixels_sees_random_looks():
    both = {
        appearance: (
            explored_problem(LavaEncoder(**IMAGES, appearance=appearance)),
            prior_problem(LavaPrior(**IMAGES, layouts="many", appearance=appearance), "LavaGapS5"),
        )
        for appearance in ("own", "random")
    }
    for own, random in zip(both["own"], both["random"], strict=True):
        layouts = own.environment.layout_of_row
        seen, painted = own.inputs.frames, random.inputs.frames
        differ = (seen != painted).any(axis=(1, 2, 3))
        np.testing.assert_array_equal(differ, layouts % 4 != 0)
        np.testing.assert_array_equal(own.environment.successor, random.environment.successor)


IMAGES = {"view": "pixels", "environment": "LavaGapS5", "pool": 2, "seed": 1}


def rivers_of(grid):
    """Rows and columns that are mostly lava."""
    lava = grid == 2
    return int((lava.mean(axis=0) > 0.5).sum() + (lava.mean(axis=1) > 0.5).sum())


def a_prior(path, shape, **spec):
    card = Card("prior", {"view": "egocentric", **spec, "shape": [shape], "actions": 7},
                {"hidden": [2]})  # fmt: skip
    save(path, card, MLP((shape, 2, 7), key=jax.random.key(0)))
    return path


def test_a_file_with_a_window_fits_grids_of_any_size(tmp_path):
    path = a_prior(tmp_path / "x", 5 * 5 * 3, window=5)
    for environment in ("LavaCrossingS9N3", "LavaCrossingS11N5"):
        run = resolve({"environment": environment, "method": "action-only"}).run
        known = knowledge_of(run, {"prior": path})
        assert (known.view, known.window) == ("egocentric", 5)
        problem = student_problem(run, known.view, known.window)
        network = read_prior(path, problem.seen, 7)
        assert network(jnp.asarray(problem.seen.frames[0])).shape == (7,)


def test_a_file_without_one_fits_grids_of_its_size_alone(tmp_path):
    path = a_prior(tmp_path / "x", 17 * 17 * 3)
    small, large = (
        resolve({"environment": name, "method": "action-only"}).run
        for name in ("LavaCrossingS9N3", "LavaCrossingS11N5")
    )
    assert knowledge_of(small, {"prior": path}).window is None
    with pytest.raises(HandrailError, match=r"17 × 17 cells, for grids of 9 × 9.* need 21 × 21"):
        knowledge_of(large, {"prior": path})


@pytest.mark.parametrize("window", ["wide", 5.0, 4, -1])
def test_a_file_with_a_damaged_window_is_refused(tmp_path, window):
    path = a_prior(tmp_path / "x", 5 * 5 * 3, window=window)
    run = resolve({"environment": "LavaCrossingS9N3", "method": "action-only"}).run
    with pytest.raises(HandrailError, match="window"):
        known = knowledge_of(run, {"prior": path})
        student_problem(run, known.view, known.window)


def test_prior_and_encoder_of_different_windows_are_refused(tmp_path):
    prior = a_prior(tmp_path / "x", 5 * 5 * 3, window=5)
    card = Card("encoder", {"view": "egocentric", "window": 7, "shape": [147]}, {"latent": 2})
    save(tmp_path / "y", card, {"known": np.zeros((0, 2), np.float32)})
    run = resolve({"environment": "LavaCrossingS9N3", "method": "full"}).run
    with pytest.raises(HandrailError, match=r"egocentric \(5 × 5 cells\), egocentric \(7 × 7"):
        knowledge_of(run, {"prior": prior, "encoder": tmp_path / "y"})
