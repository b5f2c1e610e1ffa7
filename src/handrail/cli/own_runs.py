"""Finished runs in environments of the user's: what they say, opened again, and who acts there."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.api.policies import Values, card_of_policy, open_networks, parts_of
from handrail.core.artifact import checksums, number
from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.plain_text import message
from handrail.core.recorded import PASSED, mapping
from handrail.core.renamed import migrated
from handrail.envs.gymnasium.building import Host, build_host, built
from handrail.envs.gymnasium.named import attribute, factory
from handrail.envs.gymnasium.side_info import SideInfo
from handrail.experiments import launch
from handrail.experiments.launch import Which
from handrail.experiments.stored import recorded_settings
from handrail.interventions.base import Intervention
from handrail.interventions.substitutes import in_agent_units
from handrail.interventions.with_info import info_names
from handrail.knowledge.catalog import with_checksum
from handrail.learners.base import Proposal
from handrail.learners.sac.host_policy import best_allowed
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.methods.sagui.cards import Limits
from handrail.methods.sagui.guide_file import GUIDE
from handrail.methods.sagui.pair import acts_instead, intervention_of
from handrail.methods.sagui.problem import Interface, Target, interface_of
from handrail.methods.sagui.settings import StudentRun
from handrail.train.evaluate_pair import check_lasting
from handrail.train.rollout.base import Drawn, RolloutPolicy

STUDENT, GUIDES = "own student", "own guide"
PURPOSES = (STUDENT, "own dqn", GUIDES)
"""What such a run may say that it is for."""
SHIELD = "the shield"


@dataclasses.dataclass(frozen=True)
class Named:
    """What the user names again of such a run, on the command line."""

    environment: str | None = None
    """As of `handrail check-env`; by default the id that the run was given, if it can be made."""
    cost_fn: str | None = None
    """MODULE:NAME of its cost function, if it has one."""
    episode_length: int | None = None
    """Its time limit in steps; by default that of the run."""
    guide: Path | None = None
    """The guide's file; by default it is looked for beside the run."""
    intervention: str | None = None
    """MODULE:NAME of a shield, or of what a DQN learnt under."""
    view: str | None = None
    """MODULE:NAME of the guide's view."""


@dataclasses.dataclass(frozen=True)
class OwnRun:
    """A run in an environment of the user's, as its `run.json` has it."""

    folder: Path
    recorded: Mapping[str, Any]
    """All of `run.json`."""
    purpose: str
    environment: str
    """Its name, for messages."""
    given: str | None
    """The id that it was built from; None where a function built it."""
    cost: str | None
    """The name of the function that said what its steps cost; None where the environment did."""
    limits: Mapping[str, float]
    """Of several costs of a run whose policy's file has none."""
    episode_length: int

    @property
    def student(self) -> StudentRun:
        """The settings of a student's run."""
        stored = mapping(self.recorded.get("run"))
        return recorded_settings(StudentRun, stored, self.folder / "run.json")

    def policy_file(self, which: Which) -> Path:
        """The file of its last policy, or of its best one."""
        if self.purpose != GUIDES:
            return launch.policy_file(self.folder, which)
        if which == "best":
            raise HandrailError(
                f"{self.folder} is a guide's run, of which {GUIDE} is the best already; leave "
                "--policy out"
            )
        return self.folder / GUIDE


@dataclasses.dataclass(frozen=True)
class OpenedRun:
    """A run whose environment is built, and whose policy has been found to fit it."""

    run: OwnRun
    named: Named
    host: Host
    interface: Interface
    policy: OnVectors | Values
    limits: Limits | None
    """Of its file; None where that has none."""
    longest: int
    """Steps of an episode."""

    def intervention(self) -> tuple[Intervention, str]:
        """The intervention of the run, and what acts instead, in words.

        Raises `HandrailError` where there is none, or where something is not named.
        """
        folder, named, run = message(self.run.folder), self.named, self.run
        if run.purpose == GUIDES:
            raise HandrailError(
                f"{folder} is a guide's run, which has no intervention: leave --shielded out; "
                "`handrail inspect` shows its shield test"
            )
        shield = self._passed("intervention", named.intervention)
        if shield is not None and not isinstance(shield, Intervention):
            raise HandrailError(
                f"--intervention {message(str(named.intervention))} is a {type(shield).__name__}; "
                "expected WHEN × WHAT, such as handrail.shield(condition, policy)"
            )
        if run.purpose == STUDENT:
            student, view = run.student, self._passed("view", named.view)
            target = Target(
                self.interface, self.host, self.host, view=view, longest=self.longest,
                shield=shield,
            )  # fmt: skip
            intervention = intervention_of(target, student, self._knowledge())
            acts = acts_instead(student.method) or ("" if shield is None else SHIELD)
        else:
            intervention, acts = shield, SHIELD
        if intervention is None:
            raise HandrailError(f"{folder}: this run has no intervention: leave --shielded out")
        check_lasting(intervention)
        return in_agent_units(intervention, self.host.agent_form), acts

    def _passed(self, what: str, given: str | None) -> Any:
        """What the user names, if the run was passed such a thing; refused where only one is so."""
        passed = mapping(self.run.recorded.get(PASSED)).get(what)
        if (passed is None) != (given is None):
            raise HandrailError(
                f"{message(self.run.folder)}: this run was "
                + (
                    f"given no {what}: leave --{what} out"
                    if passed is None
                    else f"given a {what} of yours: add --{what} MODULE:NAME"
                )
            )
        return None if given is None else attribute(given, f"--{what}", f"the {what}")

    def _knowledge(self) -> dict[str, Path]:
        """The guide's file, if there is one: as named, or with the same checksum nearby or among
        what ships.
        """
        wanted = mapping(self.run.recorded.get("needs")).get("guide")
        if wanted is None:
            return {}
        named = self.named.guide
        nearby = sorted(self.run.folder.resolve().parent.glob(f"*/{GUIDE}"))
        for path in nearby if named is None else [named]:
            try:
                found = checksums({"guide": path})["guide"]
            except HandrailError:  # another run's guide, damaged or of another version
                if named is not None:
                    raise
                continue
            if found == wanted:
                return {"guide": path}
        if named is None and (one := with_checksum(str(wanted))):
            return {"guide": one.file}
        where = "was not found beside the run" if named is None else "is not the file"
        raise HandrailError(
            f"{message(self.run.folder)}: the guide of this run {where} (its checksum begins with "
            f"{message(str(wanted)[:12])}): name it with --guide FILE"
        )


def open_run(
    run: OwnRun,
    named: Named,
    which: Which,
    *,
    change: Callable[[Callable[[], Any]], Any] = lambda make: make(),
) -> OpenedRun:
    """The policy of a run in its environment; call it within `closes_environments`.

    `change` builds the environment by what makes it. Raises `HandrailError` where its cost
    function, or the environment, has to be named, and where policy and environment do not fit.
    """
    file, given = run.policy_file(which), named.environment
    make = factory(_environment(run) if given is None else given)
    if named.cost_fn is None and run.cost is not None:
        raise HandrailError(
            f"{run.folder}: this run was trained with a cost function of yours "
            f"({message(run.cost)}): add --cost-fn MODULE:FUNCTION"
        )
    cost = None if named.cost_fn is None else attribute(named.cost_fn, "--cost-fn")
    card = card_of_policy(file)
    limits = Limits.read(card, source=str(file)) if "limit" in card.spec else None
    several = run.limits if limits is None else limits.several
    longest = run.episode_length if named.episode_length is None else named.episode_length
    env = built(lambda: change(make))
    host = build_host(
        lambda: env, cost=cost, limits=several or None, parts=parts_of(env, card),
        episode_length=longest, side_info=_side_info(run, named),
    )  # fmt: skip
    interface = interface_of(host, longest)
    policy = open_networks(file, card, interface)
    return OpenedRun(run, named, host, interface, policy, limits, longest)


def _side_info(run: OwnRun, named: Named) -> SideInfo:
    """What the run's environment is asked beside its observations."""
    named_shield = named.intervention
    shield = None if named_shield is None else attribute(named_shield, "--intervention")
    asked = info_names(shield) if isinstance(shield, Intervention) else ()
    return SideInfo(asked, run.recorded.get("action_mask") is True)


def read_own(folder: Path) -> OwnRun | None:
    """What `run.json` says of a run in an environment of the user's; None of another run.

    Raises `HandrailError` where the run learnt no policy for a task, or says something else than
    such runs do.
    """
    path = folder / "run.json"
    if not path.is_file():
        return None
    stored = migrated(read_json(path), str(path))
    purpose = stored.get("purpose")
    if not isinstance(purpose, str):
        return None
    if purpose not in PURPOSES:
        raise HandrailError(
            f"{folder} holds what was learnt as {message(purpose)!r}, not a policy for a task; "
            "`handrail inspect FILE` shows what there is"
        )
    settings = mapping(stored.get("run"))
    passed = mapping(stored.get(PASSED))
    cost, given = passed.get("cost"), mapping(passed.get("environment")).get("given")
    name = stored.get("environment", settings.get("environment"))
    length = stored.get("episode_length", settings.get("episode_length"))
    if not isinstance(name, str) or type(length) is not int or length < 1:
        raise HandrailError(
            f"{path} is of another version of handrail: it says no environment or episode_length"
        )
    return OwnRun(
        folder=folder,
        recorded=stored,
        purpose=purpose,
        environment=name,
        given=given if isinstance(given, str) else None,
        cost=None if cost is None else str(mapping(cost).get("function", "an object")),
        limits={
            cost: number(value, f"{path}: the limit of {cost!r}", least=0)
            for cost, value in mapping(stored.get("limits")).items()
        },
        episode_length=length,
    )


def acting(policy: Any) -> RolloutPolicy:
    """As a policy acts in a test: sampled, or the best action of a Q-function in NumPy."""
    if isinstance(policy, OnVectors):
        return Drawn(Sampled(policy))

    def best(observation: Any) -> np.ndarray:
        return np.asarray(best_allowed(policy, observation), np.int32)

    def act(observation: Any, progress: Any, key: Key[Array, ""]) -> Proposal:
        action = jax.pure_callback(
            best, jax.ShapeDtypeStruct((), np.int32), observation, vmap_method="sequential"
        )
        return Proposal(action, {})

    return act


def _environment(run: OwnRun) -> str:
    """The id that a run was given, if it is known here. It is data: no module is imported for it,
    and no function of that name is called.
    """
    import gymnasium

    if run.given is not None and run.given in gymnasium.registry:
        return run.given
    raise HandrailError(
        f"{run.folder}: this run is of your own environment ({message(run.environment)}): add "
        "--environment MODULE:ID, or MODULE:FUNCTION that builds it"
    )
