"""Environments on the host, each by itself, as several side by side."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Key

from handrail.core.errors import HandrailError
from handrail.envs.host import AbstractHostEnvironment, HostTimestep
from handrail.envs.vector_host import AbstractVectorHost, together


class HostCopies(AbstractVectorHost):
    """`hosts`, environments of one kind, stepped one after another in this process.

    It makes no environment faster, but a learner is asked once for all of them. Raises
    `HandrailError` for none, and for environments whose actions or costs differ.
    """

    def __init__(self, hosts: Sequence[AbstractHostEnvironment]):
        if not hosts:
            raise HandrailError("no environments to put side by side: expected at least one")
        first = hosts[0]
        for copy, host in enumerate(hosts):
            same = host.actions == first.actions and host.constraints == first.constraints
            if not same:
                raise HandrailError(
                    f"environment {copy} has actions {host.actions} and costs {host.constraints}, "
                    f"the first one {first.actions} and {first.constraints}: put environments of "
                    "one kind side by side"
                )
        self.hosts, self.copies = tuple(hosts), len(hosts)
        self.actions, self.constraints = first.actions, first.constraints
        self.agent_form = first.agent_form
        self.steps_draw = any(host.steps_draw for host in hosts)
        self._any_key: Any = None
        self.observation_space = getattr(first, "observation_space", None)
        self._observed: list[Any] = [None] * self.copies

    def reset(self, which: Bool[np.ndarray, " copies"], *, keys: Key[Array, " copies"]) -> Any:
        for copy in np.flatnonzero(which).tolist():
            self._observed[copy] = self.hosts[copy].reset(key=keys[copy])
        return together(self._observed)

    def step(self, actions: np.ndarray, *, keys: Key[Array, " copies"]) -> HostTimestep:
        if self._any_key is None:
            self._any_key = keys[0]
        # taking keys apart costs a tenth of a step of the physics
        own = keys if self.steps_draw else itertools.repeat(self._any_key, self.copies)
        timesteps = [
            host.step(np.asarray(action), key=key)
            for host, action, key in zip(self.hosts, actions, own, strict=True)
        ]
        self._observed = [timestep.observation for timestep in timesteps]
        return together(timesteps)

    def snapshot(self) -> dict[str, np.ndarray] | None:
        saved = [host.snapshot() for host in self.hosts]
        if any(own is None for own in saved):
            return None
        return {
            f"{copy}/{name}": array
            for copy, own in enumerate(saved)
            for name, array in (own or {}).items()
        }

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        for copy, host in enumerate(self.hosts):
            mark = f"{copy}/"
            own = {k.removeprefix(mark): v for k, v in snapshot.items() if k.startswith(mark)}
            self._observed[copy] = host.restore(own)
        return together(self._observed)
