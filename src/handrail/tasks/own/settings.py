"""What determines a run in an environment of the user's: SaGui's settings, and how to read it.

Everything is named in text (`MODULE:NAME`), so that a file or a command can say it.
"""

import dataclasses

from handrail.core.arguments import NonNegative, NonNegativeInt
from handrail.methods.sagui.settings import GuideSettings, RescueSettings, StudentRun

NO_RESCUE = RescueSettings(share=0.0)


@dataclasses.dataclass(frozen=True)
class OwnStudent(StudentRun):
    """A student in an environment that `environment` names: MODULE:ID, MODULE:FUNCTION, or an id
    that Gymnasium knows.
    """

    limit: NonNegative = 0.0
    """Expected undiscounted cost of an episode; of several costs the smallest of `limits`."""
    cost_fn: str = ""
    """MODULE:NAME of a function (obs, action, next_obs, info) -> cost; empty: the environment
    says its cost."""
    limits: tuple[str, ...] = ()
    """The limit per episode of each of several named costs, as "heat=5.0"; empty: one cost."""
    parts: tuple[str, ...] = ()
    """Of a `Dict` observation, those that the student sees; empty: all."""
    info_columns: tuple[str, ...] = ()
    """Numbers in the info of an episode's last step, such as is_success, that tables have."""
    episode_length: NonNegativeInt = 0
    """Steps of an episode; 0: as the environment was registered with."""
    view: str = ""
    """MODULE:NAME of what the guide sees of an observation; empty: its own parts, by name."""
    shield: str = ""
    """MODULE:NAME of an intervention that has the last word over every action; empty: none."""


@dataclasses.dataclass(frozen=True)
class OwnGuide(GuideSettings):
    """A guide in the source that `environment` names; by default the student's environment."""

    episode_length: NonNegativeInt = 0
    """Steps of an episode; 0: as the environment was registered with."""
    rescue: RescueSettings = NO_RESCUE
    """Episodes that begin in danger: resets with `options={"start": "unsafe"}`; speeds are the
    environment's."""
    cost_fn: str = ""
    """MODULE:NAME of a function (obs, action, next_obs, info) -> cost; empty: the environment
    says its cost."""
    limits: tuple[str, ...] = ()
    """The limit per episode of each of several named costs, as "heat=5.0"; empty: one cost."""
    parts: tuple[str, ...] = ()
    """Of a `Dict` observation, those that the guide sees; empty: all."""
    bonus_fn: str = ""
    """What is rewarded: MODULE:NAME of a function (obs, action, next_obs) -> number, or the part of
    the observation whose displacement counts; empty: only to be random within the limit."""
