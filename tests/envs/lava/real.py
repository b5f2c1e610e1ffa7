"""The real MiniGrid, put into any pose."""

from pathlib import Path

import gymnasium
import minigrid  # noqa: F401  (registers the environments)
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
RECORDED = ROOT.parent / "shared" / "oracle" / "algorithms" / "a7_env.npz"
OWN = ROOT / "tests" / "data" / "lava.npz"


def recorded(which: str) -> dict[str, np.ndarray]:
    """`own`: the small subset in this repository; `oracle`: everything, or a skipped test."""
    if which == "own":
        return dict(np.load(OWN))
    if not RECORDED.exists():
        pytest.skip("shared/oracle is not here; the subset in tests/data has run")
    return dict(np.load(RECORDED))


def real_environment(name: str, seed: int):
    real = gymnasium.make(f"MiniGrid-{name}-v0", disable_env_checker=True).unwrapped
    real.reset(seed=seed)
    return real


def put(real, pose, steps: int = 0) -> None:
    real.agent_pos, real.agent_dir = (int(pose[0]), int(pose[1])), int(pose[2])
    real.step_count = steps


def pose(real) -> tuple[int, int, int]:
    return (int(real.agent_pos[0]), int(real.agent_pos[1]), int(real.agent_dir))


def without_partial_view(real):
    """Steps faster: MiniGrid's own partial observation is not compared with anything here."""
    real.gen_obs = lambda: None
    return real
