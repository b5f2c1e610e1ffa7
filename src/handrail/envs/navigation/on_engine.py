"""What an engine on MuJoCo says, as an environment on the host gives it: float32."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.envs.host import HostTimestep


def float32(observation: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """An observation's parts."""
    return {name: part.astype(np.float32) for name, part in observation.items()}


def timestep(
    observation: Mapping[str, np.ndarray],
    reward: float,
    terminated: bool,
    truncated: bool,
    info: Mapping[str, Any],
) -> HostTimestep:
    """What `step` of an engine returns, whose info has the cost."""
    return HostTimestep(
        observation=float32(observation),
        reward=np.float32(reward),
        cost=np.float32(info["cost"]),
        terminated=np.bool_(terminated),
        truncated=np.bool_(truncated),
    )
