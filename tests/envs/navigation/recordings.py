"""Recorded Safety Gym steps as flat tables: one row a step, whatever they were recorded in."""

import numpy as np

from handrail.envs.navigation.layouts import Layout
from handrail.envs.navigation.mujoco_engine import Snapshot
from handrail.envs.navigation.tasks import TASKS, NavigationTask
from tests.support import data, oracle, part

RECORDED = {  # name of the recording: the task that it is of
    f"{who}Env-v{version}": getattr(TASKS[f"navigation-{name}"], variant)
    for version, name in enumerate(("static", "semi-dynamic", "dynamic"))
    for who, variant in (("Guide", "source"), ("Student", "target"))
}
POINT = [name for name in RECORDED if not name.endswith("v1")]
BEFORE = ("qpos", "qvel", "qacc_warmstart", "robot_xyz", "heading", "robot_linvel",
          "robot_angvel", "goal_xy")  # fmt: skip
AFTER = ("qpos", "qvel", "robot_xyz", "robot_linvel", "robot_angvel", "goal_xy", "obs")


def flatten(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of a recording: `layout_`, `before_`, `after_` and `A_` columns, and constants."""
    lengths = arrays["E_len"]
    episode = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(episode))
    state = step + episode  # an episode has one state more than steps
    rows = {name: array for name, array in arrays.items() if name.startswith("A_")}
    for name in ("robot_xy", "robot_rot", "hazards_xy", "vases_xy", "vases_rot"):
        rows[f"layout_{name}"] = arrays[f"E_{name}"][episode]
    rows |= {f"before_{n}": arrays[f"S_{n}"][state] for n in BEFORE if f"S_{n}" in arrays}
    rows |= {f"after_{n}": arrays[f"S_{n}"][state + 1] for n in AFTER if f"S_{n}" in arrays}
    rows["first"] = step == arrays["E_step_off"][episode]
    return rows | {name: arrays[name] for name in ("obs_names", "obs_off", "mujoco_version")}


def subset(name: str) -> dict[str, np.ndarray]:
    """The rows that belong to the repository."""
    return part(data("navigation"), name)


def recording(name: str) -> dict[str, np.ndarray]:
    """All rows, where the recordings are."""
    return flatten(oracle(f"navigation/{name}"))


def snapshot(rows: dict[str, np.ndarray], row: int) -> Snapshot:
    """The state before a recorded step."""

    def points(name: str) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in rows[name][row]]

    goal = rows["before_goal_xy"][row] if "before_goal_xy" in rows else None
    goal = None if goal is None else (float(goal[0]), float(goal[1]))
    draws = np.random.RandomState(0)
    x, y = rows["layout_robot_xy"][row]
    layout = Layout(
        (float(x), float(y)),
        float(rows["layout_robot_rot"][row]),
        points("layout_hazards_xy"),
        points("layout_vases_xy"),
        [float(angle) for angle in rows["layout_vases_rot"][row]],
        goal,
        goal,
        draws,
    )
    motion = [rows[f"before_{name}"][row] for name in ("qpos", "qvel", "qacc_warmstart")]
    return Snapshot(layout, draws.get_state(), goal, 0, 0, *motion, np.zeros(2), np.zeros(0, int))


def expected_reward(rows: dict[str, np.ndarray], task: NavigationTask) -> np.ndarray:
    """The recorded reward; the source's is the guide's training reward, recorded beside it."""
    if task.has_goal:
        return rows["A_reward"]
    return np.where(rows["A_left_extents"], 0.0, rows["A_xy_displacement"])


def split(rows: dict[str, np.ndarray], flat: np.ndarray) -> dict[str, np.ndarray]:
    """The named parts of flat observations (`... size`)."""
    offsets = rows["obs_off"]
    return {
        str(name): flat[..., begin:end]
        for name, begin, end in zip(rows["obs_names"], offsets[:-1], offsets[1:], strict=True)
    }


def away_from_vases(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Steps in which no vase is near enough to the robot to be touched."""
    away = np.ones(len(rows["A_action"]), bool)
    for state in ("before", "after"):
        qpos, robot = rows[f"{state}_qpos"], rows[f"{state}_robot_xyz"][:, :2]
        for at in range(3, qpos.shape[1], 7):
            away &= np.linalg.norm(qpos[:, at : at + 2] - robot, axis=1) > 0.4
    return away
