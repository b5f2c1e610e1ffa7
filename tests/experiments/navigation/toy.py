"""A task that compiles in a moment, observed in parts like the navigation tasks."""

import contextlib

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
from jaxtyping import Array, Float, Int

from handrail.core.artifact import Card, save
from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions
from handrail.envs.transfer import TransferProblem, View
from handrail.methods.sagui import evaluations, train_guide
from handrail.methods.sagui.guide import GuideNetworks
from handrail.methods.sagui.presets import TAKEOVER_STEPS
from handrail.methods.sagui.settings import GuideSettings
from handrail.methods.sagui.shield import evaluate_shield
from handrail.methods.sagui.train_student import student_loop, train_student
from handrail.tasks.navigation import problems as navigation
from handrail.tasks.navigation import robustness
from handrail.tasks.navigation.family import NAVIGATION, resolve_settings
from handrail.train.evaluate import run_greedily

COSTLY = (3, 4)  # these steps of every episode cost 1, whatever the action
LENGTH = 10


class ToyState(eqx.Module):
    place: Float[Array, "2"]
    steps: Int[Array, ""]


class Toy(AbstractEnvironment):
    """A point that moves by its action; the source has no goal."""

    has_goal: bool = eqx.field(static=True)
    episode_length: int = eqx.field(static=True, default=LENGTH)
    actions: ActionSpace = BoxActions(2)

    def reset(self, *, key):
        state = ToyState(jax.random.uniform(key, (2,)), jnp.int32(0))
        return state, self.observe(state)

    def step(self, state, action, *, key):
        after = ToyState(state.place + 0.1 * action, state.steps + 1)
        costly = jnp.isin(state.steps, jnp.array(COSTLY))
        return after, Timestep(
            observation=self.observe(after),
            reward=-jnp.linalg.norm(after.place),
            cost=costly.astype(jnp.float32),
            terminated=jnp.array(False),
            truncated=after.steps >= self.episode_length,
        )

    def observe(self, state):
        parts = {"hazards_lidar": state.steps[None] / 10.0, "place": state.place}
        return parts | ({"goal_lidar": -state.place} if self.has_goal else {})


def toy_problem(
    name: str, *, source_length: int | None = None, rescue=None, outside="ends", physics=None
) -> TransferProblem:
    """Takes the place of `navigation_problem`."""
    source = Toy(False, source_length or LENGTH)
    return TransferProblem(source, Toy(True), View.keep(["hazards_lidar", "place"]), name)


@contextlib.contextmanager
def unchecked():
    """`run_greedily` builds the `Episodes` of one episode inside `vmap`, where the annotated
    axis of episodes is missing; checked annotations would refuse that.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def _unchecked(*args, **options):
    with unchecked():
        return run_greedily(*args, **options)


def use_toy(monkeypatch) -> None:
    """Makes every acquisition and run use the toy."""
    monkeypatch.setattr(evaluations, "run_greedily", _unchecked)
    for module in (navigation, robustness):
        monkeypatch.setattr(module, "navigation_problem", toy_problem)


def shield_test(environment, guide, *, episodes, key):
    """The shield test as navigation has it."""
    asked = {"threshold": TAKEOVER_STEPS, "episodes": episodes, "key": key}
    return evaluate_shield(environment, guide, **asked)


def guarded_source(name):
    """Where it takes place."""
    return navigation.source_of(GuideSettings(environment=name)).shield_test


def parts(environment):
    """Names and shapes of an observation's parts."""
    return navigation.part_shapes_of(environment)


def build(run, files):
    """The loop of a student."""
    return student_loop(navigation.target_of(run), run, files)


def run_student(run, files, folder, *, settings, report=lambda step, total: None):
    """A student, trained and summed up."""
    target = navigation.target_of(run)
    return train_student(target, run, files, folder, recorded=settings, report=report)


def guide_loop(settings):
    """The training of a guide."""
    return train_guide.guide_loop(navigation.source_of(settings), settings)


def acquire_guide(settings, folder, report=lambda what, step, total: None):
    """A guide's file."""
    NAVIGATION.acquire("guide", settings, folder, report)
    return folder / "guide.safetensors"


def acquire_forebear(settings, folder, report=lambda what, step, total: None):
    """The file of an expert, or of a student that was trained in the source."""
    NAVIGATION.acquire(settings.role, settings, folder, report)
    return folder / f"{settings.role}.safetensors"


def forebear_environment(settings):
    """Where it is trained."""
    return navigation.pretraining_in(settings).training


SMALL = {
    "environment": "navigation-static",
    "seed": 0,
    "steps": 200,
    "epoch": 100,
    "limit": 1.0,
    "test_episodes": 2,
    "learning.hidden": [4],
    "learning.batch": 4,
    "learning.train_every": 20,
    "learning.updates": 2,
    "learning.learning_starts": 0,
    "guide.steps": 200,
    "guide.epoch": 100,
    "guide.evaluation_episodes": 2,
    "guide.shield_episodes": 2,
    "guide.uniform_steps": 20,
}


def small(method: str, **own):
    """A completed row of a few short epochs."""
    return resolve_settings(SMALL | {"method": method} | own)


def foreseeing(networks: GuideNetworks, cost: float) -> GuideNetworks:
    """A guide whose cost critics say `cost` of everything."""
    last = networks.critics.members.layers[-1]
    constant = (jnp.zeros_like(last.weight), jnp.zeros_like(last.bias).at[2:].set(cost))
    return eqx.tree_at(
        lambda n: (n.critics.members.layers[-1].weight, n.critics.members.layers[-1].bias),
        networks,
        constant,
    )


def going(networks: GuideNetworks, mean: float) -> GuideNetworks:
    """A guide that acts near tanh(`mean`) everywhere."""
    heads = networks.actor.mean, networks.actor.log_std
    constant = [
        leaf
        for head, bias in zip(heads, (mean, -9.0), strict=True)
        for leaf in (jnp.zeros_like(head.weight), jnp.full_like(head.bias, bias))
    ]
    return eqx.tree_at(
        lambda n: [
            leaf for head in (n.actor.mean, n.actor.log_std) for leaf in (head.weight, head.bias)
        ],
        networks,
        constant,
    )


def write_guide(
    path, *, problem=None, limit: float = 0.2, cost: float = 0.0, task=None, kind=None, **spec
):
    """A guide's file whose cost critic says `cost` everywhere; its card may name its `task` and
    its critic's `kind`.
    """
    problem = problem or toy_problem("toy")
    shapes = parts(problem.source)
    width = sum(int(jnp.prod(jnp.array(shape))) for shape in shapes.values())
    networks = GuideNetworks.fresh(width, 2, (4,), key=jax.random.key(7))
    networks = foreseeing(networks, cost)
    spec = {"parts": shapes, "actions": 2, "limit": limit} | spec
    network = {"hidden": [4]} | ({"cost_critic": kind} if kind else {})
    save(path, Card("guide", spec, network, {"task": task} if task else {}), networks)
    return path
