"""Episodes that begin in danger: a guide learns to get out of where it is called to."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.core.arguments import Range, number
from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.gymnasium.building import Host
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.host import AbstractHostEnvironment, HostTimestep, seed_of
from handrail.envs.host_wrappers import AbstractWrapped

UnsafeStart = Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
"""Options of `reset` for an episode that begins in danger, or a function of a seed that gives
them."""
START: Mapping[str, Any] = {"start": "unsafe"}


def with_unsafe_starts(
    host: Host, share: float, start: UnsafeStart = START
) -> "Host | UnsafeStarts":
    """The environment, of which a share of the episodes begins in danger: a reset with the options
    `start`. The environment itself where the share is 0.

    Raises `HandrailError` for several environments side by side, and for compiled ones.
    """
    if not share:
        return host
    if not isinstance(host, GymnasiumHost):
        raise HandrailError(
            f"{host.name} is compiled, or several environments side by side, whose resets take no "
            "options: give a function that builds one of Gymnasium, or a share of rescue starts of "
            "0"
        )
    return UnsafeStarts(host, share, start)


def share_of_starts(share: float, start: UnsafeStart) -> float:
    """The share of episodes that begin in danger, checked. Raises `HandrailError` where it is none,
    or where it is 0 and yet said how they begin.
    """
    share = number("rescue_share", share, Range(0, 1))
    if start is not START and not share:
        raise HandrailError(
            "unsafe_start is given, but rescue_share is 0, so that no episode begins so: set "
            "rescue_share, such as 0.5, or leave unsafe_start out"
        )
    return share


class UnsafeStarts(AbstractWrapped, AbstractHostEnvironment):
    """`inner`, of which a share of the episodes begins in danger.

    The first such start is compared with an ordinary one of the same seed: an environment that
    begins alike whatever its options are is refused.
    """

    def __init__(self, inner: GymnasiumHost, share: float, start: UnsafeStart):
        super().__init__(inner)
        self.name = inner.name
        self._share, self._start, self._compared = share, start, False

    def reset(self, *, key: Key[Array, ""]) -> Any:
        if not float(jax.random.uniform(stream(key, "rescue"))) < self._share:
            return self.inner.reset(key=key)
        options = self._start(seed_of(key)) if callable(self._start) else self._start
        usual = None if self._compared else self.inner.reset(key=key)
        begun = self.inner.reset(key=key, options=dict(options))
        if usual is not None and all(
            map(np.array_equal, jax.tree.leaves(usual), jax.tree.leaves(begun))
        ):
            raise HandrailError(
                f"{self.inner.name}: reset(seed=..., options={dict(options)!r}) begins as without "
                "options, so no episode would begin in danger; let reset read them, or set the "
                "share of rescue starts to 0"
            )
        self._compared = True
        return begun

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        return self.inner.step(action, key=key)

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        return self.inner.restore(snapshot)
