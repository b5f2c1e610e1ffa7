"""Safety-Gymnasium's tasks as an environment on the host, which is saved and resumed exactly."""

import dataclasses
import math

import numpy as np
from jaxtyping import Array, Key

from handrail.envs.base import BoxActions
from handrail.envs.episodes import checked_length
from handrail.envs.host import AbstractHostEnvironment, HostTimestep, seed_of
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.launching import Harm, Launch, drawn_launch, harm_in, set_moving
from handrail.envs.navigation.layouts import Point
from handrail.envs.navigation.on_engine import float32, timestep
from handrail.envs.safety_gymnasium.costs import WALL
from handrail.envs.safety_gymnasium.engine import ArenaEngine
from handrail.envs.safety_gymnasium.layouts import ArenaLayout
from handrail.envs.safety_gymnasium.tasks import ArenaTask

_TRIES = 100  # places for a rescue start that touches nothing


class ArenaHost(AbstractHostEnvironment):
    """One robot in one task: observations are dictionaries of float32 parts (`task.parts`).

    Cost is 0 or 1 per step, undiscounted. All randomness of an episode comes from the key of its
    reset: steps draw nothing.

    With `rescue`, a share of the source's episodes begins in harm, already moving: in a hazard, or
    beyond a wall, where the robot touches nothing.
    """

    steps_draw = False

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
        self.task = dataclasses.replace(task, episode_length=length)
        self.episode_length, self.rescue = length, rescue
        self.actions = BoxActions(2)
        self.engine = ArenaEngine(self.task)
        self.observation_space = self.engine.observation_space

    def reset(self, *, key: Key[Array, ""]) -> dict[str, np.ndarray]:
        seed = seed_of(key)
        observation, _ = self.engine.reset(seed=seed)
        if self.rescue is not None:
            draws = np.random.default_rng(seed)
            if draws.random() < self.rescue.share:
                observation = self._launched(self.rescue, draws)
        return float32(observation)

    def _launched(self, rescue: RescueStarts, draws: np.random.Generator) -> dict[str, np.ndarray]:
        """Moves the robot into harm; it stays where it was if there is something in the way."""
        engine, usual = self.engine, self.engine.layout
        robot, heading = self.task.robot, usual.robot_heading
        harm = self._harm(usual)
        for _ in range(_TRIES):
            launch = drawn_launch(rescue, draws, harm, robot=robot, heading=heading)
            self._launch(usual, launch)
            if not engine.solids.touches():
                return engine.observe()
        self._launch(usual, Launch(usual.robot, 0.0, 0.0, 0.0))
        return engine.observe()

    def _harm(self, layout: ArenaLayout) -> Harm:
        hazards, extent = self.task.group("hazards"), self.task.extent
        if hazards is not None:
            return harm_in(layout.places["hazards"], hazards.size, extent)

        def beyond_a_wall(draws: np.random.Generator) -> tuple[Point, float]:
            side, y = 1 - 2 * int(draws.integers(2)), draws.uniform(-extent, extent)
            return (side * draws.uniform(WALL, extent), y), draws.uniform(0, 2 * math.pi)

        return beyond_a_wall

    def _launch(self, layout: ArenaLayout, launch: Launch) -> None:
        engine = self.engine
        engine.arrange(dataclasses.replace(layout, robot=launch.place))
        set_moving(engine.data, self.task.robot, layout.robot_heading, launch)
        engine.forward()

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        return timestep(*self.engine.step(action))

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
