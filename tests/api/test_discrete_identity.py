"""A run with another prior, cost, shield or environment is another run; the same is the same."""

import inspect
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.api import discrete
from handrail.api.discrete import train_dqn
from handrail.core.errors import HandrailError
from handrail.interventions.near_unsafe import FixedRadius, NearUnsafe
from handrail.interventions.recipes import contrastive, domain_prior, shield
from handrail.interventions.substitutes import Policy
from handrail.methods.contrastive import student
from handrail.methods.contrastive.inputs import VectorQ
from handrail.methods.contrastive.settings import QLearning
from handrail.train.course import coursed
from tests.api.test_own_training import Line, OtherEnd

# without the suite's own checks of annotations, which users do not have
dqn, of_prior, of_encoder = (
    inspect.unwrap(function)
    for function in (discrete.train_dqn, discrete.train_prior, discrete.train_encoder)
)
Q = QLearning(hidden=(4,), learning_starts=20, replay=100, batch=8, target_every=20)


def prior(seed=0):
    return VectorQ.fresh(2, (4,), 2, key=jax.random.key(seed))


def always(action):
    return Policy(lambda observation, key: (jnp.int32(action), {}))


def beyond(limit):
    return shield(lambda context: jnp.abs(context.observation[0]) > limit, always(0))


def near(distance=1.0, known=0.0):
    embed = NearUnsafe(lambda observation: observation, jnp.full((1, 2), known))
    return contrastive(
        NearUnsafe(embed.embed, embed.initial_embeddings, FixedRadius(distance)),
        prior(),
        prior_prob=1.0,
    )


def cost_above(limit):
    return lambda observation, action, following, info: float(abs(following[0]) > limit)


def worth(goal):
    class World(Line):
        def step(self, action):
            observation, reward, *rest = Line.step(self, action)
            return observation, goal * reward, *rest

    World.__name__ = World.__qualname__ = "World"
    return World


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """What a call of `train_dqn` would record, without running it."""
    seen = []

    def execute(loop, folder, settings, **options):
        seen.append(json.dumps(settings, sort_keys=True))
        yield from ()
        return {}

    monkeypatch.setattr(student, "execute", coursed(execute))

    def of(environment=Line, **options):
        dqn(environment, tmp_path / "run", steps=40, learning=Q, **options)
        return seen[-1]

    return of


PAIRS = {
    "prior": lambda n: {"intervention": domain_prior(prior(n))},
    "probability": lambda n: {"intervention": domain_prior(prior(), prior_prob=0.5 + n / 4)},
    "embeddings": lambda n: {"intervention": near(known=float(n))},
    "distance": lambda n: {"intervention": near(1.0 + n)},
    "predicate": lambda n: {"intervention": beyond(0.1 * n)},
    "substitute": lambda n: {"intervention": shield(lambda context: context.step >= 0, always(n))},
    "recipe": lambda n: {"intervention": [domain_prior(prior()), near()][n]},
    "cost": lambda n: {"cost": cost_above(0.5 * n)},
    "environment": lambda n: {"environment": worth([1, -1][n])},
    "task": lambda n: {"environment": [Line, OtherEnd][n]},
}


@pytest.mark.parametrize("what", PAIRS)
def test_what_was_passed_in_is_part_of_a_run(recorded, what):
    make = PAIRS[what]
    first, again, other = (recorded(**make(number)) for number in (0, 0, 1))
    assert first == again != other
    assert " at 0x" not in first


def test_another_prior_in_the_same_folder_is_refused(tmp_path):
    few = {"steps": 40, "episode_length": 20, "evaluation_episodes": 1, "learning": Q}
    summary = train_dqn(Line, tmp_path, intervention=domain_prior(prior()), **few)
    assert train_dqn(Line, tmp_path, intervention=domain_prior(prior()), **few) == summary
    with pytest.raises(HandrailError, match="other settings"):
        train_dqn(Line, tmp_path, intervention=domain_prior(prior(1)), **few)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda at: dqn(Line, at, steps=0), "steps is 0: expected at least 1"),
        (lambda at: dqn(Line, at, steps=1.5), "steps is 1.5: expected int"),
        (lambda at: dqn(Line, at, seed=None), "seed is None"),
        (lambda at: dqn(Line, at, seed=-1), "seed is -1"),
        (lambda at: dqn(Line, at, evaluation_episodes=0), "evaluation_episodes is 0"),
        (lambda at: dqn(Line, at, episode_length=0), "episode_length is 0"),
        (lambda at: dqn(Line, at, learning={"discount": 1.5}), r"learning\.discount is 1\.5"),
        (lambda at: dqn(Line, at, learning={"discont": 0.5}), "did you mean .*discount"),
        (lambda at: dqn(Line, at, intervention=prior()), "intervention is a VectorQ"),
        (lambda at: of_prior([Line, Line], at, steps=-3), "steps is -3"),
        (lambda at: of_prior([Line, Line], at, undesirable="x"), "undesirable is 'x'"),
        (lambda at: of_encoder(Line, at, latent=0), "latent.* is 0"),
        (lambda at: of_encoder(Line, at, contrastive_margin=-1), "contrastive_margin.* is -1"),
        (lambda at: of_encoder(Line, at, acting=3), "acting is 3"),
    ],
)
def test_arguments_are_checked_at_the_door(tmp_path, call, message):
    with pytest.raises(HandrailError, match=message):
        call(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_numbers_as_people_write_them(recorded):
    plain = recorded(seed=3)
    assert recorded(seed=np.int64(3)) == plain
    assert recorded(seed=3.0, evaluation_episodes=1e1) == plain
