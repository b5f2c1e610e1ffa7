"""What determines a run in an environment of the user's: SaGui's settings, and how to read it.

Everything is named in text (`MODULE:NAME`), so that a file or a command can say it.
"""

import dataclasses
from typing import Any

from handrail.core.arguments import NonNegative, NonNegativeInt, Share
from handrail.methods.sagui.near_settings import SourceEncoderSettings
from handrail.methods.sagui.settings import GuideSettings, RescueSettings, StudentRun

NO_RESCUE = RescueSettings(share=0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnWorld:
    """How an environment is read; what is acquired for a run has this as the run has it."""

    cost_fn: str = ""
    """MODULE:NAME of a function (obs, action, next_obs, info) -> cost; empty: the environment
    says its cost."""
    limits: tuple[str, ...] = ()
    """The limit per episode of each of several named costs, as "heat=5.0"; empty: one cost."""
    parts: tuple[str, ...] = ()
    """Of a `Dict` observation, those that the agent sees; empty: all."""
    episode_length: NonNegativeInt = 0
    """Steps of an episode; 0: as the environment was registered with."""


def world_of(settings: OwnWorld, kind: type[OwnWorld] = OwnWorld) -> dict[str, Any]:
    """How its environment is read, by name, as settings of that kind have it."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(kind)}


@dataclasses.dataclass(frozen=True)
class OwnStudent(OwnWorld, StudentRun):
    """A student in an environment that `environment` names: MODULE:ID, MODULE:FUNCTION, or an id
    that Gymnasium knows.
    """

    limit: NonNegative = 0.0
    """Expected undiscounted cost of an episode; of several costs the smallest of `limits`."""
    info_columns: tuple[str, ...] = ()
    """Numbers in the info of an episode's last step, such as is_success, that tables have."""
    view: str = ""
    """MODULE:NAME of what the guide sees of an observation; empty: its own parts, by name."""
    shield: str = ""
    """MODULE:NAME of an intervention that has the last word over every action; empty: none."""


@dataclasses.dataclass(frozen=True)
class OwnGuide(OwnWorld, GuideSettings):
    """A guide in the source that `environment` names; by default the student's environment."""

    rescue: RescueSettings = NO_RESCUE
    """Episodes that begin in danger: resets with `options={"start": "unsafe"}`; speeds are the
    environment's."""
    bonus_fn: str = ""
    """What is rewarded: MODULE:NAME of a function (obs, action, next_obs) -> number, or the part of
    the observation whose displacement counts; empty: only to be random within the limit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnSourceEncoder(OwnWorld, SourceEncoderSettings):
    """An encoder of the source that `environment` names, for students whose guide acts near unsafe
    states; by default of the guide's source.
    """

    environment: str = ""
    """As of a student."""
    rescue_share: Share = 0.0
    """Share of the episodes that begin in danger: resets with `options={"start": "unsafe"}`."""
