"""Steps of the source, kept beside a guide, for students to learn costs from."""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.core.artifact import Card, fill, load, part_shapes, save
from handrail.core.errors import HandrailError
from handrail.core.types import Observation
from handrail.envs.transfer import AbstractView
from handrail.learners.sac.agent import SacAgent, SacAgentState
from handrail.learners.sac.source_data import SourceData, SourceTransitions, without_rewards
from handrail.methods.sagui.settings import TRANSITIONS
from handrail.replay.frames import FrameRing
from handrail.replay.ring import Ring


def beside(guide: Path) -> Path:
    """Where the steps are that a guide's training has kept."""
    return guide.with_name(TRANSITIONS)


def kept_beside(files: Mapping[str, Path], *, wanted: bool) -> dict[str, Path]:
    """The steps beside the guide among these files of knowledge, if they are wanted and there."""
    path = beside(files["guide"]) if wanted and "guide" in files else None
    return {} if path is None or not path.exists() else {path.stem: path}


def save_steps(
    path: Path,
    agent: SacAgent,
    state: SacAgentState,
    *,
    source: str,
    count: int,
    key: Key[Array, ""],
) -> None:
    """Keeps `count` of the steps that a guide remembers, drawn without replacement, or all.

    `source` is the name of where that was.
    """
    memory = agent.replay
    assert isinstance(memory, Ring | FrameRing)  # a guide has one actor
    kept = np.flatnonzero(memory.filled(state.replay))
    order = kept[np.asarray(jax.random.permutation(key, len(kept)))[:count]]
    steps = without_rewards(memory.read(state.replay, jnp.asarray(np.sort(order))))
    one = jax.tree.map(lambda leaf: leaf[0], steps.observation)
    spec = {"parts": part_shapes(one), "actions": steps.action.shape[1], "count": steps.size}
    save(path, Card("transitions", spec, network={}, training={"task": source}), steps)


def load_steps(
    guide: Path, view: AbstractView, target: Observation, *, actions: int
) -> tuple[Card, SourceData]:
    """The steps beside a guide's file and their card, for students that observe `target`.

    `target` is an example, `actions` are the numbers of an action. Raises `HandrailError` where
    there are none, where the view cannot be undone, or where they are not what the source gives:
    other parts or actions, costs below zero, numbers that are none.
    """
    path = beside(guide)
    if not path.exists():
        raise HandrailError(
            f"{path} does not exist: no steps of the source were kept beside this guide; train "
            "one that keeps some (guide.keep = 100_000), or set source_data to false"
        )
    seen = jax.eval_shape(view, target)
    jax.eval_shape(view.completed, seen, target)
    spec = {"parts": part_shapes(seen), "actions": actions}
    card, arrays = load(path, expect="transitions", spec=spec)
    count = card.spec.get("count")
    if type(count) is not int or count < 1:
        raise HandrailError(f"{path}: the card's count is {count!r}, expected at least 1")
    observations = jax.tree.map(lambda one: jnp.zeros((count, *one.shape), one.dtype), seen)
    acted, numbers = jnp.zeros((count, actions)), jnp.zeros(count)
    template = SourceTransitions(observations, acted, numbers, observations, numbers)
    steps = fill(template, arrays, source=str(path))
    for what, values, most in (
        ("cost", steps.cost, np.inf),
        ("terminated", steps.terminated, 1.0),
        ("action", jnp.abs(steps.action), 1.0),
    ):
        if not jnp.all((values >= 0) & (values <= most)):
            raise HandrailError(f"{path}: {what} has numbers outside of its range")
    return card, SourceData(steps, view.completed)
