"""What the baselines bring along: EGPO's expert, and a student that was trained in the source."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from handrail.core.arguments import checked
from handrail.core.artifact import Card, fill, load, part_shapes, save
from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.base import action_size
from handrail.interventions.recipes import none
from handrail.learners.sac.networks import OnVectors
from handrail.learners.sac.state import SacState
from handrail.methods.sagui.agents import fresh_learner, memory, sac_agent, sac_learner
from handrail.methods.sagui.cards import Limits, Networks, card_of
from handrail.methods.sagui.evaluations import (
    CHECKPOINT_SECONDS,
    KNOWLEDGE_COLUMNS,
    best,
    chunk_steps,
    record,
    tested,
    try_policy,
    unsafe_share,
)
from handrail.methods.sagui.guide import total_size
from handrail.methods.sagui.problem import Interface, Target
from handrail.methods.sagui.settings import PretrainingSettings, Role, SacSettings
from handrail.networks.gaussian import GaussianPolicy
from handrail.train.compiled import RunState
from handrail.train.loops import AnyLoop
from handrail.train.run import execute

KINDS: dict[Role, str] = {"expert": "expert", "pretrained": "policy"}  # role → kind of artefact
BEST = "best.safetensors"


def pretraining_loop(where: Target, settings: PretrainingSettings) -> AnyLoop:
    """SAC-Lagrangian alone: in the target (the expert), or in the source observed like it."""
    learner = sac_learner(
        settings.learning, settings.limit, where.interface.limit_steps, parts=where.scaled_parts
    )
    replay = memory(settings.learning, settings.steps, split=False)
    agent = sac_agent(settings.learning, learner, replay)
    return where.make_loop(where.training, agent, none(), settings.steps)


def pretrain(
    where: Target,
    settings: PretrainingSettings,
    folder: Path,
    *,
    recorded: dict[str, Any],
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Path:
    """Trains it inside `folder` and returns its file; a finished one is not repeated.

    The expert kept is the best safe one by evaluation. What has been pre-trained is kept as it
    is at the end, whole: actor, critics, their targets, both multipliers and Adam's means.
    """
    settings = checked(settings)
    path = folder / f"{settings.role}.safetensors"
    loop = pretraining_loop(where, settings)
    last = settings.role == "pretrained"

    def watch(step: int, state: RunState) -> None:
        if step % settings.epoch:
            return
        key = stream(state.key, "evaluation", step)
        policy = OnVectors(state.agent.learner.parameters.actor)
        test = try_policy(
            where.testing, policy, episodes=settings.evaluation_episodes,
            longest=where.longest, key=key,
        )  # fmt: skip
        row = {"step": step, **tested(test), "unsafe_episodes": unsafe_share(test)}
        table = record(folder, KNOWLEDGE_COLUMNS, row)
        if last or best(table, settings.limit) == len(table["step"]) - 1:
            learner = state.agent.learner
            kept = learner if last else learner.parameters.actor
            save(folder / BEST, _card(where, settings, row), kept)

    execute(
        loop,
        folder,
        recorded,
        seed=10 * settings.seed + (3 if last else 2),
        summarise=lambda state: {"kept": load(folder / BEST)[0].training["evaluation"]},
        watch=watch,
        chunk_steps=chunk_steps(settings.epoch, settings.learning.train_every),
        report=lambda step, _: report(step, settings.steps),
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    card, arrays = load(folder / BEST, expect=KINDS[settings.role])
    save(path, card, arrays)
    return path


def open_policy(path: Path, interface: Interface, kind: str) -> tuple[Card, OnVectors]:
    """Card and policy of a file of this kind, if it fits; raises `HandrailError`."""
    shapes, actions = part_shapes(interface.observation), action_size(interface.actions)
    card, arrays = load(path, expect=kind, spec={"parts": shapes, "actions": actions})
    bounds = card.spec.get("action_bounds")
    if bounds is not None and interface.bounds is not None and bounds != interface.bounds:
        raise HandrailError(
            f"{path} does not fit {interface.name}: its actions are for bounds {bounds}, those "
            f"there are {interface.bounds}; rescale the actions of one of the environments"
        )
    built = Networks.read(card, source=str(path))
    template = GaussianPolicy(
        total_size(shapes), actions, built.hidden, inputs=built.reader(shapes),
        key=jax.random.key(0),
    )  # fmt: skip
    return card, OnVectors(fill(template, arrays, source=str(path)))


def load_pretrained(path: Path, target: Target, learning: SacSettings) -> SacState:
    """The pre-trained learner's whole state, if it fits the student; raises `HandrailError`."""
    interface = target.interface
    spec = {
        "parts": part_shapes(interface.observation),
        "actions": action_size(interface.actions),
    }
    card, arrays = load(path, expect="policy", spec=spec)
    own, wanted = Networks.read(card, source=str(path)), Networks.of(learning)
    for field in dataclasses.fields(Networks):
        found, needed = getattr(own, field.name), getattr(wanted, field.name)
        if found != needed:
            raise HandrailError(
                f"{path}: its {field.name} is {found!r}, the student's {needed!r}; set "
                f"learning.{field.name} to {found!r}"
            )
    learner = sac_learner(learning, 0.0, parts=target.scaled_parts)
    template = fresh_learner(interface, learning, learner, key=jax.random.key(0))
    return fill(template, arrays, source=str(path))


def _card(where: Target, settings: PretrainingSettings, row: dict[str, float]) -> Card:
    return card_of(
        KINDS[settings.role],
        where.interface,
        Networks.of(settings.learning),
        Limits(settings.limit, where.interface.limit_steps),
        training={"evaluation": row, "settings": dataclasses.asdict(settings)},
    )
