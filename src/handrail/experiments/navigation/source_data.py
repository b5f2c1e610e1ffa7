"""Steps of the source, kept beside a guide, for students to learn costs from."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.artifact import Card, fill, load, save
from handrail.envs.base import action_size
from handrail.envs.transfer import TransferProblem
from handrail.errors import HandrailError
from handrail.experiments.navigation.guide import parts
from handrail.experiments.navigation.settings import TRANSITIONS
from handrail.learners.source_data import SourceData, SourceTransitions, without_rewards
from handrail.replay.ring import Ring, RingState


def beside(guide: Path) -> Path:
    """Where the steps are that a guide's training has kept."""
    return guide.with_name(TRANSITIONS)


def save_steps(
    path: Path, memory: Ring, state: RingState, problem: TransferProblem, *, count: int,
    key: Key[Array, ""],
) -> None:  # fmt: skip
    """Keeps `count` of the steps that a memory holds, drawn without replacement, or all of them."""
    size = int(memory.size(state))
    order = np.asarray(jax.random.permutation(key, size))[:count]
    # in the order of their slots: drawn at random either way, and half as long to read
    steps = without_rewards(memory.read(state, jnp.asarray(np.sort(order))))
    card = Card(
        kind="transitions",
        spec={
            "parts": parts(problem.source),
            "actions": action_size(problem.source.actions),
            "count": steps.size,
        },
        network={},
        training={"task": problem.name},
    )
    save(path, card, steps)


def load_steps(guide: Path, problem: TransferProblem) -> SourceData:
    """The steps beside a guide's file, for students of the problem's target.

    Raises `HandrailError` where there are none, or where they are not what the problem's source
    gives: other parts or actions, costs below zero, numbers that are none.
    """
    path, shapes, size = beside(guide), parts(problem.source), action_size(problem.source.actions)
    if not path.exists():
        raise HandrailError(
            f"{path} does not exist: no steps of the source were kept beside this guide; train "
            "one with guide.keep = 100_000, or set source_data to false"
        )
    card, arrays = load(path, expect="transitions", spec={"parts": shapes, "actions": size})
    count = card.spec.get("count")
    if type(count) is not int or count < 1:
        raise HandrailError(f"{path}: the card's count is {count!r}, expected at least 1")
    zeros = {name: jnp.zeros((count, *shape)) for name, shape in shapes.items()}
    numbers = jnp.zeros(count)
    template = SourceTransitions(zeros, jnp.zeros((count, size)), numbers, dict(zeros), numbers)
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise HandrailError(f"{path}: {name} holds numbers that are not finite")
    steps: SourceTransitions = fill(template, arrays, source=str(path))
    for what, values, most in (
        ("cost", steps.cost, np.inf), ("terminated", steps.terminated, 1.0),
        ("action", jnp.abs(steps.action), 1.0),
    ):  # fmt: skip
        if not bool(jnp.all((values >= 0) & (values <= most))):
            raise HandrailError(f"{path}: {what} has numbers outside of its range")
    return SourceData(steps, problem.view.completed)
