"""Safety-Gymnasium's tasks as an environment on the host, which is saved and resumed exactly."""

import dataclasses
import math

import numpy as np

from handrail.envs.episodes import checked_length
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.launching import Harm, harm_in
from handrail.envs.navigation.layouts import Point
from handrail.envs.navigation.on_engine import AbstractEngineHost, float32
from handrail.envs.safety_gymnasium.costs import WALL
from handrail.envs.safety_gymnasium.engine import ArenaEngine
from handrail.envs.safety_gymnasium.layouts import ArenaLayout
from handrail.envs.safety_gymnasium.tasks import ArenaTask


class ArenaHost(AbstractEngineHost):
    """One robot in one task; rescue starts are in a hazard, or beyond a wall."""

    def __init__(
        self,
        task: ArenaTask,
        *,
        episode_length: int | None = None,
        rescue: RescueStarts | None = None,
    ):
        length = checked_length(
            task.episode_length, episode_length, starts=rescue, in_source=task.side == "source"
        )
        super().__init__(ArenaEngine(dataclasses.replace(task, episode_length=length)), rescue)

    def _harm(self) -> Harm:
        hazards, extent = self.task.group("hazards"), self.task.extent
        if hazards is not None:
            return harm_in(self.engine.layout.places["hazards"], hazards.size, extent)

        def beyond_a_wall(draws: np.random.Generator) -> tuple[Point, float]:
            side, y = 1 - 2 * int(draws.integers(2)), draws.uniform(-extent, extent)
            return (side * draws.uniform(WALL, extent), y), draws.uniform(0, 2 * math.pi)

        return beyond_a_wall

    def snapshot(self) -> dict[str, np.ndarray]:
        engine = self.engine
        layout = engine.layout
        _, words, position, has_gauss, gauss = engine.draws.get_state()
        kinds = [group.kind for group in self.task.groups]
        return {
            "state": engine.physics(),
            "robot": np.array([*layout.robot, layout.robot_heading]),
            **{f"places.{kind}": np.array(layout.places[kind]) for kind in kinds},
            **{f"headings.{kind}": np.array(layout.headings[kind]) for kind in kinds},
            "rule": np.array(engine.rule.numbers(), np.float64),
            "counts": np.array([engine.steps, position], np.int64),
            "draws": np.array(words, np.uint32),
            "gauss": np.array([has_gauss, gauss], np.float64),
        }

    def restore(self, snapshot: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        engine = self.engine
        x, y, heading = snapshot["robot"].tolist()
        kinds = [group.kind for group in self.task.groups]
        places = {kind: list(map(tuple, snapshot[f"places.{kind}"].tolist())) for kind in kinds}
        headings = {kind: snapshot[f"headings.{kind}"].tolist() for kind in kinds}
        engine.arrange(ArenaLayout((x, y), heading, places, headings))
        engine.go_back(snapshot["state"])
        steps, position = snapshot["counts"].tolist()
        has_gauss, gauss = snapshot["gauss"].tolist()
        engine.steps = steps
        engine.draws.set_state(("MT19937", snapshot["draws"], position, int(has_gauss), gauss))
        engine.rule.recall(snapshot["rule"].tolist())
        return float32(engine.observe())
