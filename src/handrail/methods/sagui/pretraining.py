"""What the baselines bring along: EGPO's expert, and a student that was trained in the source."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Key

from handrail.core.arguments import checked
from handrail.core.artifact import Card, fill, load, save
from handrail.core.errors import HandrailError
from handrail.core.recorded import mapping, stable
from handrail.core.records import BEST
from handrail.core.rng import stream
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none
from handrail.learners.base import AbstractAgent
from handrail.learners.onpolicy.agent import OnPolicyState
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import OnVectors
from handrail.learners.sac.state import SacState
from handrail.methods.image_cards import check_images
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
from handrail.methods.sagui.settings import PretrainingSettings, Role, SacSettings, StudentRun
from handrail.methods.sagui.table import row_of
from handrail.networks.gaussian import GaussianPolicy
from handrail.networks.reading import measured_as
from handrail.train.compiled import RunState
from handrail.train.course import Course, coursed
from handrail.train.loops import AnyLoop, make_loop

KINDS: dict[Role, str] = {"expert": "expert", "pretrained": "policy"}  # role → kind of artefact


def loop_in(
    where: Target, method: str, agent: AbstractAgent, intervention: Intervention, steps: int
) -> AnyLoop:
    """The loop of what learns by this method: an on-policy one never from steps of an older
    policy, so it does not learn while the next steps are taken.
    """
    delayed = where.delayed and row_of(method).agent is None
    return make_loop(
        where.training, agent, intervention, steps, delayed=delayed, copies=where.copies
    )


def pretraining_loop(where: Target, settings: PretrainingSettings) -> AnyLoop:
    """What learns alone: in the target (the expert), or in the source observed like it."""
    on_policy = row_of(settings.method).agent
    if on_policy is not None:
        agent = on_policy(where, _as_student(settings))
        return loop_in(where, settings.method, agent, none(), settings.steps)
    learner = sac_learner(
        settings.learning, settings.limit, where.interface.limit_steps,
        where=where.interface, parts=where.scaled_parts,
    )  # fmt: skip
    replay = memory(
        settings.learning, settings.steps, where.interface,
        split=False, width=getattr(where.training, "copies", 1),
    )  # fmt: skip
    agent = sac_agent(settings.learning, learner, replay)
    return loop_in(where, settings.method, agent, none(), settings.steps)


def _as_student(settings: PretrainingSettings) -> StudentRun:
    """The run of a student of this method, with these settings."""
    common = {field.name for field in dataclasses.fields(StudentRun)}
    given = {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if field.name in common
    }
    return StudentRun(**given)


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
    check_images(
        built.pictures, interface.images, interface.observation,
        source=str(path), where=interface.name,
    )  # fmt: skip
    template = eqx.filter_eval_shape(
        GaussianPolicy, total_size(spec["parts"]), spec["actions"], built.hidden,
        inputs=built.reader(spec["parts"]), key=jax.random.key(0),
    )  # fmt: skip
    return card, OnVectors(fill(template, arrays, source=str(path)))


def goes_on_from(path: Path, target: Target, run: StudentRun) -> SacState | OnPolicyState:
    """The whole state of what was pre-trained for this run; raises `HandrailError`."""
    on_policy = row_of(run.method).agent
    if on_policy is None:
        return load_pretrained(path, target, run.learning)
    agent = on_policy(target, run)
    return _filled(
        path, target, run.learning, row_of(run.method).pretrained_as,
        lambda seen, acted: agent.fresh(seen, acted, key=jax.random.key(0)),
    )  # fmt: skip


def load_pretrained(path: Path, target: Target, learning: SacSettings) -> SacState:
    """The same of SAC-Lagrangian."""
    learner = sac_learner(learning, 0.0, where=target.interface, parts=target.scaled_parts)
    return _filled(
        path, target, learning, PretrainingSettings.method,
        lambda seen, acted: learner.init(seen, acted, learning.hidden, key=jax.random.key(0)),
    )  # fmt: skip


def _filled(
    path: Path, target: Target, learning: SacSettings, method: str, fresh: Callable[[int, int], Any]
) -> Any:
    """What the file holds, in place of what was made `fresh` for these sizes of vectors."""
    spec = spec_of(target.interface)
    card, arrays = load(path, expect="policy", spec=spec)
    own = Networks.read(card, source=str(path))
    wanted = Networks.of(learning, target.interface)
    check_images(
        own.pictures, target.interface.images, target.interface.observation,
        source=str(path), where=target.interface.name,
    )  # fmt: skip
    _refuse_others(path, own, wanted, [field.name for field in dataclasses.fields(Networks)])
    said = mapping(card.training.get("settings")).get("method", PretrainingSettings.method)
    if said != method:
        raise HandrailError(
            f"{path}: it was trained by {said!r}, and the student goes on from {method!r}; leave "
            "the file out, so that one is trained"
        )
    template = fresh(total_size(spec["parts"]), spec["actions"])
    return fill(template, arrays, source=str(path))


def begun_from(
    path: Path, target: Target, learner: SacLagrangian, learning: SacSettings, *,
    key: Key[Array, ""],
) -> SacState:  # fmt: skip
    """A learner whose actor is that of a student's file, if it fits; all else is untrained, but
    reads observations as it does.
    """
    card, policy = open_policy(path, target.interface, "policy")
    own, wanted = Networks.read(card, source=str(path)), Networks.of(learning)
    images = ("images",) if target.interface.images else ()
    _refuse_others(path, own, wanted, ("hidden", "inputs", "normalise_observations", *images))
    sizes = total_size(card.spec["parts"]), card.spec["actions"]
    fresh = learner.init(*sizes, learning.hidden, key=key)
    begun = eqx.tree_at(lambda state: state.parameters.actor, fresh, policy.policy)
    return measured_as(begun, policy.policy)


def _refuse_others(path: Path, own: Networks, wanted: Networks, names: Sequence[str]) -> None:
    """Refuses networks of a file that differ from a student's in one of these."""
    for name in names:
        found, needed = getattr(own, name), getattr(wanted, name)
        if found != needed:
            raise HandrailError(
                f"{path}: its {name} is {found!r}, the student's {needed!r}; set learning.{name} "
                f"to {found!r}"
            )


def _card(where: Target, settings: PretrainingSettings, row: dict[str, float]) -> Card:
    return card_of(
        KINDS[settings.role],
        where.interface,
        Networks.of(settings.learning, where.interface),
        Limits(settings.limit, where.interface.limit_steps),
        training={"evaluation": row, "settings": stable(settings)},
    )
