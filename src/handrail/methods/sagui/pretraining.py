"""What the baselines bring along: EGPO's expert, and a student that was trained in the source."""

import dataclasses
from pathlib import Path
from typing import Any

import jax

from handrail.core.arguments import checked
from handrail.core.artifact import Card, fill, load, save
from handrail.core.errors import HandrailError
from handrail.core.records import BEST
from handrail.core.rng import stream
from handrail.interventions.recipes import none
from handrail.learners.sac.networks import OnVectors
from handrail.learners.sac.state import SacState
from handrail.methods.sagui.agents import memory, sac_agent, sac_learner
from handrail.methods.sagui.cards import Limits, Networks, card_of, check_bounds, spec_of
from handrail.methods.sagui.epochs import Report, best_row, publish, run_by_epochs
from handrail.methods.sagui.evaluations import (
    KNOWLEDGE_COLUMNS,
    best,
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
from handrail.train.course import Course, coursed
from handrail.train.loops import AnyLoop, make_loop

KINDS: dict[Role, str] = {"expert": "expert", "pretrained": "policy"}  # role → kind of artefact


def pretraining_loop(where: Target, settings: PretrainingSettings) -> AnyLoop:
    """SAC-Lagrangian alone: in the target (the expert), or in the source observed like it."""
    learner = sac_learner(
        settings.learning, settings.limit, where.interface.limit_steps, parts=where.scaled_parts
    )
    replay = memory(settings.learning, settings.steps, split=False)
    agent = sac_agent(settings.learning, learner, replay)
    return make_loop(where.training, agent, none(), settings.steps, delayed=where.delayed)


@coursed
def pretrain(
    where: Target,
    settings: PretrainingSettings,
    folder: Path,
    *,
    recorded: dict[str, Any],
    report: Report = lambda step, total: None,
) -> Course[Path]:
    """Trains it inside `folder` and returns its file; a finished one is not repeated.

    The expert kept is the best safe one by evaluation. What has been pre-trained is kept as it
    is at the end, whole: actor, critics, their targets, both multipliers and Adam's means.
    """
    settings = checked(settings)
    path = folder / f"{settings.role}.safetensors"
    loop = pretraining_loop(where, settings)
    last = settings.role == "pretrained"

    def watch(step: int, state: RunState) -> None:
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

    yield from run_by_epochs.course(
        loop, folder, recorded, settings,
        seed=10 * settings.seed + (3 if last else 2),
        watch=watch,
        summarise=lambda state: {"kept": best_row(folder)},
        report=report,
    )  # fmt: skip
    return publish(folder, path, KINDS[settings.role])


def open_policy(path: Path, interface: Interface, kind: str) -> tuple[Card, OnVectors]:
    """Card and policy of a file of this kind, if it fits; raises `HandrailError`."""
    spec = spec_of(interface)
    card, arrays = load(path, expect=kind, spec=spec)
    check_bounds(path, card, interface)
    built = Networks.read(card, source=str(path))
    template = GaussianPolicy(
        total_size(spec["parts"]), spec["actions"], built.hidden,
        inputs=built.reader(spec["parts"]), key=jax.random.key(0),
    )  # fmt: skip
    return card, OnVectors(fill(template, arrays, source=str(path)))


def load_pretrained(path: Path, target: Target, learning: SacSettings) -> SacState:
    """The pre-trained learner's whole state, if it fits the student; raises `HandrailError`."""
    spec = spec_of(target.interface)
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
    template = learner.init(
        total_size(spec["parts"]), spec["actions"], learning.hidden, key=jax.random.key(0)
    )
    return fill(template, arrays, source=str(path))


def _card(where: Target, settings: PretrainingSettings, row: dict[str, float]) -> Card:
    return card_of(
        KINDS[settings.role],
        where.interface,
        Networks.of(settings.learning),
        Limits(settings.limit, where.interface.limit_steps),
        training={"evaluation": row, "settings": dataclasses.asdict(settings)},
    )
