"""Who acts in finished runs in environments of the user's, alone and under an intervention."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.core.artifact import checksums
from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.plain_text import message
from handrail.core.recorded import PASSED, mapping
from handrail.core.renamed import migrated
from handrail.envs.gymnasium.named import attribute
from handrail.envs.gymnasium.side_info import SideInfo
from handrail.experiments.stored import recorded_settings
from handrail.interventions.base import Intervention
from handrail.interventions.substitutes import in_agent_units
from handrail.interventions.with_info import info_names
from handrail.learners.base import Proposal
from handrail.learners.sac.host_policy import best_allowed
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.methods.sagui.acting import acts_instead, intervention_of
from handrail.methods.sagui.guide_file import GUIDE
from handrail.methods.sagui.problem import Interface, Target
from handrail.methods.sagui.settings import StudentRun
from handrail.train.evaluate_pair import check_lasting
from handrail.train.rollout.base import Drawn, RolloutPolicy

SHIELD = "the shield"


@dataclasses.dataclass(frozen=True)
class Beside:
    """What a run was given beside its environment, as the user names it on the command line."""

    folder: Path
    """Of the run."""
    guide: Path | None = None
    """The guide's file; by default it is looked for beside the run."""
    intervention: str | None = None
    """MODULE:NAME of a shield, or of what a DQN learnt under."""
    view: str | None = None
    """MODULE:NAME of the guide's view."""

    @property
    def recorded(self) -> dict[str, Any]:
        """What `run.json` says of the run."""
        path = self.folder / "run.json"
        return migrated(read_json(path), str(path))

    @property
    def student(self) -> StudentRun:
        """The settings of a student's run."""
        path = self.folder / "run.json"
        return recorded_settings(StudentRun, mapping(self.recorded.get("run")), path)

    def named(self, what: str, given: str | None) -> Any:
        """What the user names, if the run was passed such a thing; refused where only one is so."""
        passed = mapping(self.recorded.get(PASSED)).get(what)
        if (passed is None) != (given is None):
            raise HandrailError(
                f"{message(self.folder)}: this run was "
                + (
                    f"given no {what}: leave --{what} out"
                    if passed is None
                    else f"given a {what} of yours: add --{what} MODULE:NAME"
                )
            )
        return None if given is None else attribute(given, f"--{what}", f"the {what}")

    def side_info(self) -> SideInfo:
        """What the run's environment is asked beside its observations."""
        shield = None
        if self.intervention is not None:
            shield = self.named("intervention", self.intervention)
        return SideInfo(info_names(shield), self.recorded.get("action_mask") is True)

    def knowledge(self) -> dict[str, Path]:
        """The guide's file, if there is one: as named, or with the same checksum nearby."""
        wanted = mapping(self.recorded.get("needs")).get("guide")
        if wanted is None:
            return {}
        nearby = sorted(self.folder.resolve().parent.glob(f"*/{GUIDE}"))
        for path in [self.guide] if self.guide is not None else nearby:
            if path is not None and checksums({"guide": path})["guide"] == wanted:
                return {"guide": path}
        where = "is not the file" if self.guide is not None else "was not found beside the run"
        raise HandrailError(
            f"{message(self.folder)}: the guide of this run {where} (its checksum begins with "
            f"{message(str(wanted)[:12])}): name it with --guide FILE"
        )


def intervention_of_own(
    beside: Beside, purpose: str, host: Any, interface: Interface, *, longest: int
) -> tuple[Intervention, str]:
    """The intervention of a run in the environment `host`, and what acts instead, in words.

    Raises `HandrailError` where there is none, or where something is not named.
    """
    if purpose == "own guide":
        raise HandrailError(
            f"{message(beside.folder)} is a guide's run, which has no intervention: leave "
            "--shielded out; `handrail inspect` shows its shield test"
        )
    shield = beside.named("intervention", beside.intervention)
    if shield is not None and not isinstance(shield, Intervention):
        raise HandrailError(
            f"--intervention {message(str(beside.intervention))} is a {type(shield).__name__}; "
            "expected WHEN × WHAT, such as handrail.shield(condition, policy)"
        )
    if purpose == "own student":
        run, view = beside.student, beside.named("view", beside.view)
        target = Target(interface, host, host, view=view, longest=longest, shield=shield)
        intervention = intervention_of(target, run, beside.knowledge())
        acts = acts_instead(run.method) or ("" if shield is None else SHIELD)
    else:
        intervention, acts = shield, SHIELD
    if intervention is None:
        raise HandrailError(
            f"{message(beside.folder)}: this run has no intervention: leave --shielded out"
        )
    check_lasting(intervention)
    return in_agent_units(intervention, host.agent_form), acts


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
