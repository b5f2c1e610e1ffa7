"""What the baselines bring along: EGPO's expert, and a student pre-trained whole."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from handrail.arguments import checked
from handrail.artifact import Card, fill, load, save, widths
from handrail.envs.base import action_size
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.transfer import TransferProblem, observation_shapes
from handrail.errors import HandrailError
from handrail.experiments.navigation.agents import fresh_learner, memory, sac_agent, sac_learner
from handrail.experiments.navigation.environments import (
    AnyEnvironment,
    side_by_side,
    zero_filled,
)
from handrail.experiments.navigation.evaluations import (
    CHECKPOINT_SECONDS,
    KNOWLEDGE_COLUMNS,
    best,
    chunk_steps,
    record,
    tested,
    try_policy,
)
from handrail.experiments.navigation.guide import BEST, parts, total_size
from handrail.experiments.navigation.guide_card import card_inputs, cost_critic_of, input_kind_of
from handrail.experiments.navigation.settings import ForebearSettings, SacSettings
from handrail.interventions.recipes import none
from handrail.learners.sac_networks import OnVectors
from handrail.learners.sac_state import SacState
from handrail.networks.gaussian import GaussianPolicy
from handrail.recorded import stable
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.loops import AnyLoop, make_loop
from handrail.train.run import execute

KINDS = {"expert": "expert", "pretrained": "policy"}  # role → kind of artefact


def forebear_loop(settings: ForebearSettings) -> AnyLoop:
    """SAC-λ in the target (the expert), or in the source observed like the target."""
    environment = side_by_side(
        forebear_environment(settings), lambda: forebear_environment(settings), settings.copies
    )
    learner = sac_learner(settings.learning, settings.limit, parts=parts(environment))
    replay = memory(settings.learning, settings.steps, split=False)
    return make_loop(
        environment,
        sac_agent(settings.learning, learner, replay),
        none(),
        settings.steps,
    )


def forebear_environment(settings: ForebearSettings) -> AnyEnvironment:
    """Where it learns; the source has the displacement reward, and goal lidars of zeros."""
    problem = navigation_problem(settings.environment)
    if settings.role == "expert":
        return problem.target
    shapes = {name: shape.shape for name, shape in observation_shapes(problem.target).items()}
    return zero_filled(problem.source, shapes)


def acquire_forebear(
    settings: ForebearSettings, folder: Path, report: Callable[[str, int, int], None]
) -> Path:
    """Trains it inside `folder` and returns its file; a finished one is not repeated.

    The expert kept is the best safe one by evaluation. What has been pre-trained is kept as it
    is at the end, whole: actor, critics, their targets, both multipliers and Adam's means.
    """
    path = folder / f"{settings.role}.safetensors"
    if path.exists():
        return path
    settings = checked(settings)
    loop = forebear_loop(settings)
    testing = forebear_environment(settings)  # its own: a test leaves the training's episode alone
    last = settings.role == "pretrained"

    def watch(step: int, state: RunState) -> None:
        if step % settings.epoch:
            return
        key = stream(state.key, "evaluation", step)
        policy = OnVectors(state.agent.learner.parameters.actor)
        evaluation = try_policy(testing, policy, episodes=settings.evaluation_episodes, key=key)
        unsafe = float(np.mean(np.asarray(evaluation.costs) > 0))
        row = {"step": step, **tested(evaluation), "unsafe_episodes": unsafe}
        table = record(folder, KNOWLEDGE_COLUMNS, row)
        if last or best(table, settings.limit) == len(table["step"]) - 1:
            learner = state.agent.learner
            kept = learner if last else learner.parameters.actor
            save(folder / BEST, _card(settings, testing, row), kept)

    execute(
        loop,
        folder,
        {"purpose": settings.role, **stable(settings)},
        seed=10 * settings.seed + (3 if last else 2),
        summarise=lambda state: {"kept": load(folder / BEST)[0].training["evaluation"]},
        watch=watch,
        chunk_steps=chunk_steps(settings.epoch, settings.learning.block),
        report=lambda step, _: report(settings.role, step, settings.steps),
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    card, arrays = load(folder / BEST, expect=KINDS[settings.role])
    save(path, card, arrays)
    return path


def load_expert(path: Path, problem: TransferProblem) -> OnVectors:
    """The expert's policy in the target, if it fits; raises `HandrailError`."""
    return load_policy(path, problem, kind="expert")[1]


def load_policy(path: Path, problem: TransferProblem, *, kind: str) -> tuple[Card, OnVectors]:
    """Card and policy of a file of this kind, for the target if it fits; raises `HandrailError`."""
    shapes, actions = parts(problem.target), action_size(problem.target.actions)
    card, arrays = load(path, expect=kind, spec={"parts": shapes, "actions": actions})
    hidden = widths(card, "hidden", source=str(path))
    inputs, key = card_inputs(card, source=str(path)), jax.random.key(0)
    template = GaussianPolicy(total_size(shapes), actions, hidden, inputs=inputs, key=key)
    return card, OnVectors(fill(template, arrays, source=str(path)))


def load_pretrained(path: Path, problem: TransferProblem, learning: SacSettings) -> SacState:
    """The pre-trained learner's whole state, if it fits the student; raises `HandrailError`."""
    spec = {
        "parts": parts(problem.target),
        "actions": action_size(problem.target.actions),
        "hidden": list(learning.hidden),
    }
    card, arrays = load(path, expect="policy", spec=spec)
    own = {
        "cost_critic": cost_critic_of(card, source=str(path)),
        "inputs": input_kind_of(card, source=str(path)),
    }
    for name, kind in own.items():
        if kind != getattr(learning, name):
            raise HandrailError(
                f"{path}: its {name} is {kind!r}, the student's {getattr(learning, name)!r}; set "
                f"learning.{name} to {kind!r}"
            )
    learner = sac_learner(learning, 0.0, parts=spec["parts"])
    template = fresh_learner(problem.target, learning, learner, key=jax.random.key(0))
    return fill(template, arrays, source=str(path))


def _card(settings: ForebearSettings, environment: AnyEnvironment, row: dict) -> Card:
    hidden = list(settings.learning.hidden)
    return Card(
        kind=KINDS[settings.role],
        spec={
            "parts": parts(environment),
            "actions": action_size(environment.actions),
            "hidden": hidden,
            "limit": settings.limit,
        },
        network={
            "hidden": hidden,
            "cost_critic": settings.learning.cost_critic,
            "inputs": settings.learning.inputs,
        },
        training={"evaluation": row, "settings": dataclasses.asdict(settings)},
    )
