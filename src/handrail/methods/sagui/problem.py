"""What the methods ask of a source and of a target: environments to train and to test in."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.host import AnyEnvironment
from handrail.envs.transfer import AbstractView, example_observation
from handrail.interventions.base import Intervention
from handrail.networks.image_network import Images


@dataclasses.dataclass(frozen=True)
class Interface:
    """What a guide or a policy has to fit."""

    name: str
    """Of the environment, for messages."""
    observation: Any
    """An example, or the shapes of one."""
    actions: Any
    """The action space, as an agent of ours has it."""
    bounds: Mapping[str, Any] | None = None
    """`low` and `high` of a Box in the environment's units: what −1 and 1 stand for, if it says."""
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Limits per episode of several costs, by name; empty where there is one cost."""
    episode_length: int | None = None
    """Steps of the episode that limits are for, if they are known."""
    images: Images = dataclasses.field(default_factory=dict)
    """Which parts of the observation are images, and what their numbers are."""

    @property
    def limit_steps(self) -> int:
        """The same, of a source or a target, whose interfaces always say."""
        assert self.episode_length is not None, self.name
        return self.episode_length


def interface_of(
    environment: Any, episode_length: int | None = None, *, name: str | None = None
) -> Interface:
    """What has to fit an environment, compiled or on the host; limits are for `episode_length`
    steps, by default those that the environment says.
    """
    said = getattr(environment, "episode_length", None) if episode_length is None else None
    return Interface(
        name=environment.name if name is None else name,
        observation=example_observation(environment),
        actions=environment.actions,
        bounds=getattr(environment, "action_bounds", None) or None,
        limits=getattr(environment, "limits", {}),
        episode_length=said if isinstance(said, int) else episode_length,
        images=getattr(environment, "images", {}),
    )


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a guide is trained, and where it is evaluated and tried as a shield.

    Environments are compiled or on the host; each use has one of its own. The rewards of
    `training`, `evaluation` and `exits` are the guide's bonus.
    """

    interface: Interface
    training: AnyEnvironment
    evaluation: AnyEnvironment
    """Whole episodes as they are limited."""
    shield_test: AnyEnvironment
    """Where the shield test drives, for at most `shield.STEPS` steps an episode."""
    exits: AnyEnvironment | None = None
    """Episodes that begin in harm: what does it cost to get out?"""
    harm: float | None = None
    """What one step of harm costs, where that is known; else it is the mean over the replay."""
    scaled_parts: Mapping[str, Sequence[int]] | None = None
    """Shapes of the observation's parts, where the scales of their numbers are known."""
    longest: int | None = None
    """Steps after which evaluations cut an episode off, if the environments do not end it."""
    takeover_shares: tuple[float, ...] = ()
    """Where the kept guide fails its shield test at two steps' cost, it is tried at these shares of
    that, and its file says the one that `shield.proposed` proposes; none: it is not tried."""
    delayed: bool = True
    """Whether a loop on the host learns from a block while the next one is stepped."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Where a student is trained and tested, and how a guide sees it."""

    interface: Interface
    training: AnyEnvironment
    testing: AnyEnvironment
    view: AbstractView | Callable[[Any], Any] | None = None
    """What a guide sees of an observation; None: its own parts, by their names."""
    scaled_parts: Mapping[str, Sequence[int]] | None = None
    longest: int | None = None
    shield: Intervention | None = None
    """What has the last word over every action in training, also over a guide's."""
    initial: Path | None = None
    """The file of a student's policy, which this one's begins as."""
    outside: Any = None
    """An `outside_guide.PolicyGuide`, where the guide's policy is the user's own."""
    delayed: bool = True
    copies: int = 1
    """Environments side by side: as many as `training` holds, or are made of a compiled one."""


def counted_limit(interface: Interface, limit: float | None) -> float | None:
    """The limit that a guide is asked to keep: as given, or of several costs the least of theirs,
    which the combined cost is scaled to. Raises `HandrailError` where both are given.
    """
    if interface.limits and limit is not None:
        raise HandrailError(
            f"limit is {limit!r}, beside the limits of {', '.join(sorted(interface.limits))}: "
            "leave limit out"
        )
    return min(interface.limits.values()) if interface.limits else limit
