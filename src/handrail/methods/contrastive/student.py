"""A student: an agent that learns its task, under what the method puts between."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.records import POLICY
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.learners.q.agent import QAgent
from handrail.methods.contrastive.agents import q_learner
from handrail.methods.contrastive.artefacts import (
    load_q,
    prior_values,
    read_encoder,
    read_prior,
    save_q,
)
from handrail.methods.contrastive.built import QNetwork
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import StudentSettings
from handrail.methods.contrastive.table import LoadedKnowledge
from handrail.methods.method import Method
from handrail.train.compiled import RunState
from handrail.train.course import Course, coursed
from handrail.train.loops import AnyLoop, make_loop
from handrail.train.run import execute


def check_student(method: Method, settings: StudentSettings, kinds: Mapping[str, Any]) -> None:
    """Everything that can be said before anything is computed; `kinds` of knowledge are there."""
    every = settings.learning.train_every
    if settings.steps % every:
        raise HandrailError(
            f"steps is {settings.steps}: expected a positive multiple of {every} "
            "(learning.train_every)"
        )
    for kind in method.needs:
        if kinds.get(kind) is None:
            raise HandrailError(
                f"method {method.name!r} needs a {kind}: name its file, or use `handrail train`, "
                "which acquires what is missing"
            )


READ_WITH = {
    "prior_prob": ("prior", "encoder"),
    "threshold": ("prior",),
    "pessimism": ("prior",),
    "guide_temperature": ("guide",),
}
"""Settings of `safety`, and with which knowledge a method reads them; the others, with an encoder.
"""


def refuse_unread(method: Method, settings: StudentSettings, given: Mapping[str, Any]) -> None:
    """Refuses settings of `safety` that were `given`, by name, where the method does not read them,
    or has a value of its own.
    """
    for name in given:
        group, _, one = name.partition(".")
        if group != "safety":
            continue
        kinds = READ_WITH.get(one, ("encoder",))
        both = one == "repeat_distance" and "prior" not in method.needs
        if both or not set(kinds) & set(method.needs):
            lacks = "one check at the most" if both else f"no {' or '.join(kinds)} that it is for"
            raise HandrailError(
                f"{name} is {given[name]!r}, but method {method.name!r} has {lacks}: leave it out, "
                "or take a method that has, such as 'full'"
            )
        fixed = getattr(method.adjust(settings).safety, one)
        if fixed != getattr(settings.safety, one):
            raise HandrailError(
                f"{name} is {given[name]!r}, but method {method.name!r} means {fixed!r}: leave it "
                "out, or take another method"
            )


def student_agent(
    problem: DiscreteProblem, method: Method, settings: StudentSettings
) -> AbstractAgent:
    """What learns."""
    if method.agent is None:
        return q_learner(problem, settings.learning)
    return method.agent(problem, settings)


def student_loop(
    problem: DiscreteProblem,
    knowledge: Mapping[str, Path | None],
    method: Method,
    settings: StudentSettings,
) -> AnyLoop:
    """The loop of a run. Raises `HandrailError` where settings or knowledge do not fit."""
    check_student(method, settings, knowledge)
    adjusted = method.adjust(settings)
    agent = student_agent(problem, method, adjusted)
    intervention = intervention_of(problem, knowledge, method, adjusted)
    return make_loop(problem.environment, agent, intervention, settings.steps, problem.statistics)


def intervention_of(
    problem: DiscreteProblem,
    knowledge: Mapping[str, Path | None],
    method: Method,
    adjusted: StudentSettings,
) -> Intervention:
    """Who acts when, with the knowledge of these files; the settings are adjusted by the method."""
    files = {kind: knowledge[kind] for kind in method.needs}
    loaded = _loaded(problem, files, adjusted.safety.pessimism)
    return method.intervention(adjusted, loaded)


@coursed
def train_student(
    problem: DiscreteProblem,
    knowledge: Mapping[str, Path | None],
    method: Method,
    settings: StudentSettings,
    folder: Path,
    *,
    recorded: Mapping[str, Any],
    provenance: Mapping[str, Any],
    test_episodes: int = 10,
    also: Callable[[AnyLoop, RunState], Mapping[str, Any]] = lambda loop, state: {},
    arrays: Callable[[RunState], dict[str, np.ndarray]] = lambda state: {},
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Course[dict[str, Any]]:
    """Trains, tests and saves the policy; returns the summary. Continues what was interrupted.

    Args:
        problem: the task.
        knowledge: files by kind (`prior`, `encoder`, `guide`), at least those that the method
            needs.
        method: a row of `table.METHODS`.
        settings: of the run, before the method adjusts them.
        folder: of the run.
        recorded: what determines the run, for its `run.json`.
        provenance: how the policy came about, for its card.
        test_episodes: whole episodes of the test at the end.
        also: (loop, final state) → further entries of the summary.
        arrays: of the final state, to be kept.
        report: called as `report(step, total)`.
    """
    loop = student_loop(problem, knowledge, method, settings)

    def summarise(state: RunState) -> dict[str, Any]:
        built, network = QNetwork.of(settings.learning), state.agent.network
        save_q(folder / POLICY, "policy", problem, built, network, provenance)
        tested = problem.test(
            loop.agent, state.agent, episodes=test_episodes, key=jax.random.key(settings.seed)
        )
        return {**tested, **also(loop, state)}

    return (
        yield from execute.course(
            loop,
            folder,
            dict(recorded),
            seed=settings.seed,
            summarise=summarise,
            arrays=arrays,
            report=lambda step, _: report(step, settings.steps),
        )
    )


def begun_from(file: Path, problem: DiscreteProblem, settings: StudentSettings) -> QAgent:
    """The learner of these settings, whose network begins as that of a policy's file."""
    agent = q_learner(problem, settings.learning)
    own = QNetwork.read(load(file, expect="policy")[0], source=str(file))
    wanted = QNetwork.of(settings.learning)
    for name in ("normalise_observations", "images" if own.pictures else "hidden"):
        found, needed = getattr(own, name), getattr(wanted, name)
        if found != needed:
            raise HandrailError(
                f"{file}: its {name} is {found!r}, the learner's {needed!r}; set learning.{name} "
                f"to {found!r}"
            )
    network = load_q(file, "policy", problem.inputs, problem.actions)
    return dataclasses.replace(agent, make_network=lambda key: jax.tree.map(jnp.copy, network))


def _loaded(
    problem: DiscreteProblem, files: Mapping[str, Path | None], pessimism: float
) -> LoadedKnowledge:
    """The knowledge of the files, as functions of the problem's observations."""
    prior = guide = embed = initial = None
    inputs = problem.seen
    if (path := files.get("prior")) is not None:
        prior = prior_values(inputs, read_prior(path, inputs, problem.actions), pessimism)
    if (path := files.get("encoder")) is not None:
        embedding = read_encoder(path, inputs)
        embed, initial = inputs.frozen_embedding(embedding.encoder), embedding.unsafe
    if (path := files.get("guide")) is not None:
        guide = inputs.frozen_values(load_q(path, "guide", inputs, problem.actions))
    return LoadedKnowledge(problem.actions, prior, embed, initial, guide)
