"""Two descriptions are equal where equal things were passed in, in any process."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.identity import MOST, environment_identity, fingerprint, passed_in
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.transfer import View
from handrail.interventions.near_unsafe import FixedRadius, NearUnsafe
from handrail.interventions.recipes import contrastive, domain_prior, shield
from handrail.interventions.substitutes import Policy
from tests.envs.toys import Walker

LIMIT = 1.0
CALLS = 0


def prior(seed):
    network = eqx.nn.MLP(2, 3, 4, 1, key=jax.random.key(0))
    return jax.tree.map(lambda x: jnp.full_like(x, seed) if eqx.is_array(x) else x, network)


def above(limit):
    def cost(obs, action, next_obs, info):
        return float(abs(next_obs[0]) > limit)

    return cost


def above_global(obs, action, next_obs, info):
    return float(abs(next_obs[0]) > LIMIT)


def counting(obs):
    global CALLS
    CALLS += 1
    return obs


class Above:
    def __init__(self, limit):
        self._limit = limit

    def __call__(self, obs, action, next_obs, info):
        return float(next_obs[0] > self._limit)

    def cost(self, obs, action, next_obs, info):
        return self(obs, action, next_obs, info)


def world(weight):
    class World(Walker):
        def step(self, action):
            observation, reward, *rest = super().step(action)
            return observation, weight * reward, *rest

    return World


def near(distance):
    return NearUnsafe(
        embed=prior(0), initial_embeddings=jnp.zeros((1, 3)), radius=FixedRadius(distance)
    )


def acting(action):
    return Policy(lambda observation, key: (jnp.int32(action), {}))


PAIRS = {
    "arrays of a prior": lambda x: domain_prior(prior(x)),
    "a number of an intervention": lambda x: domain_prior(prior(0), prior_prob=0.1 + x / 2),
    "a distance": lambda x: contrastive(near(1.0 + x), prior(0)),
    "a shield's predicate": lambda x: shield(
        (lambda context: context.step < 0) if x else (lambda context: context.step >= 0),
        acting(0),
    ),
    "a closure of a shield": lambda x: shield(lambda context: context.step > x, acting(0)),
    "a policy of one's own": lambda x: shield(above_global, acting(x)),
    "parts of a view": lambda x: View.rename({"a": "ab"[x]}),
    "a closure": above,
    "a default": lambda x: lambda observation, scale=x: scale * observation,
    "a partial function": lambda x: functools.partial(above_global, x),
    "a jitted function": lambda x: jax.jit(lambda observation: observation + x),
    "a callable object": Above,
    "a bound method": lambda x: Above(x).cost,
    "a class made in a function": world,
    "a function that builds one": lambda x: lambda: Walker(length=x),
    "a key": jax.random.key,
    "a large array": lambda x: np.arange(1_000) + x,
    "an array's dtype": lambda x: np.zeros(2, (np.float32, np.float64)[x]),
    "an array's shape": lambda x: np.zeros((2, 1 + x)),
    "a long list": lambda x: [*range(5_000), x],
    "keys that are no text": lambda x: {1: 0, 2: x},
    "a set": lambda x: {"a", "b", "cd"[x]},
    "a space": lambda x: gymnasium.spaces.Box(-1 - x, 1, (2,)),
    "a function of a library": lambda x: (jax.nn.relu, jax.nn.tanh)[x],
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_differs_is_described_differently_and_what_is_made_again_alike(name):
    one, again, other = (fingerprint(PAIRS[name](x)) for x in (0, 0, 1))
    assert one == again
    assert one != other
    assert "0x" not in json.dumps(one, allow_nan=False)


def test_a_global_that_a_function_reads_belongs_to_it(monkeypatch):
    before = fingerprint(above_global)
    assert before["uses"] == {"LIMIT": 1.0}
    monkeypatch.setitem(globals(), "LIMIT", 2.0)
    assert fingerprint(above_global) != before


def test_what_a_function_itself_counts_does_not(monkeypatch):
    before = fingerprint(counting)
    counting(0)
    assert fingerprint(counting) == before


def test_a_method_of_the_base_class_belongs_to_a_class(monkeypatch):
    before = fingerprint(world(1))
    monkeypatch.setattr(Walker, "move", lambda self, action: None)
    assert fingerprint(world(1)) != before


def test_what_refers_to_itself_is_described_once():
    ring = Above(1.0)
    ring.self = ring
    assert fingerprint(ring)["self"] == {"again": 0}

    def loop(n):
        return loop(n - 1) if n else 0

    assert fingerprint(loop)["closure"] == {"loop": {"again": 0}}


@pytest.mark.parametrize("value", [object(), iter([1]), sys.stdin, memoryview(b"x")])
def test_what_nobody_can_look_into_is_said_to_be_so(value):
    assert fingerprint({"cost": value})["cost"].keys() == {"unidentified"}


def test_an_object_that_resists_is_unidentified():
    class Resists:
        def __getattribute__(self, name):
            raise RuntimeError("no")

    assert "unidentified" in fingerprint(Resists())


def test_the_description_of_much_is_bounded():
    deep: list = []
    for _ in range(500):
        deep = [deep]
    assert "more parts" in json.dumps(fingerprint(deep))
    wide = {str(number): [number] * 3 for number in range(MOST)}
    assert "more parts" in json.dumps(fingerprint(wide))


def test_numbers_that_json_lacks_are_text():
    values = [float("nan"), float("inf"), 1j, np.float32(0.5), np.int64(3), b"x", Path("a")]
    described = fingerprint(values)
    assert described[:5] == ["nan", "inf", "1j", 0.5, 3] and described[6] == "a"
    json.dumps(described, allow_nan=False)


def test_dataclasses_are_described_by_field():
    @dataclasses.dataclass
    class Two:
        first: int
        second: object = None

    described = fingerprint(Two(1, [2]))
    assert (described["first"], described["second"]) == (1, [2])


def test_code_of_this_library_is_known_by_its_name():
    assert fingerprint(View.keep) == {"function": "View.keep"}
    assert fingerprint(View)["class"] == "View"


@pytest.mark.parametrize("vector", [False, True])
def test_an_environment_is_its_registration_its_class_and_its_spaces(vector):
    def build(**options):
        def one():
            return gymnasium.make("CartPole-v1", **options)

        return gymnasium.vector.SyncVectorEnv([one] * 2) if vector else one()

    described = environment_identity(build(), "CartPole-v1")
    assert described["given"] == "CartPole-v1"
    assert described["registered"]["id"] == "CartPole-v1"
    assert described["class"] == {"class": "gymnasium.CartPoleEnv"}
    assert {"class": "gymnasium.TimeLimit"} in described["wrappers"]
    assert described.get("copies") == (2 if vector else None)
    assert described["actions"]["n"] == 2
    assert described == environment_identity(build(), "CartPole-v1")
    assert described != environment_identity(build(sutton_barto_reward=True), "CartPole-v1")
    assert described != environment_identity(build(max_episode_steps=9), "CartPole-v1")


def test_an_environment_of_ones_own_is_its_code():
    def of(kind):
        return environment_identity(GymnasiumHost(kind()), kind)

    assert of(world(1)) == of(world(1))
    assert of(world(1)) != of(world(2))


def test_what_a_run_was_given_is_described_by_name():
    kind = world(1)
    described = passed_in(GymnasiumHost(kind()), kind, cost=above(1.0), view=None)
    assert described["environment"]["class"] == {"again": 0}  # the code of what was given
    assert described["cost"]["closure"] == {"limit": 1.0}
    assert described["view"] is None


CHILD = """
import json, sys
from tests.test_identity import PAIRS, fingerprint
print(json.dumps({name: fingerprint(make(0)) for name, make in PAIRS.items()}, sort_keys=True))
"""


def test_another_process_describes_alike():
    root = Path(__file__).parent.parent
    paths = [str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, env=variables, cwd=root
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    for name, make in PAIRS.items():
        assert _bytecode_aside(theirs[name]) == _bytecode_aside(fingerprint(make(0))), name


def _bytecode_aside(tree):
    """Without digests of code: pytest rewrites the code of tests in this process."""
    if isinstance(tree, dict):
        return {key: _bytecode_aside(value) for key, value in tree.items() if key != "code"}
    return [_bytecode_aside(entry) for entry in tree] if isinstance(tree, list) else tree
