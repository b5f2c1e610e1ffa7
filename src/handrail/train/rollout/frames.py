"""Recorded episodes of environments that render themselves: frames, and series."""

import io
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from handrail.core.errors import HandrailError, first_line
from handrail.envs.host import AbstractHostEnvironment
from handrail.interventions.base import Intervention
from handrail.train.rollout.base import EveryEpisode, RolloutPolicy
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.host import rollout_on_host
from handrail.train.rollout.recorded import RecordedEpisode
from handrail.train.rollout.recording import Filmed, columns_of, decided

MOST_PARTS, MOST_KEPT = 8, 32
"""Parts of an observation, and numbers of each, that are kept."""
PICTURES, WIDTH = 200, 480
"""Frames of an episode that goes to its time limit, at most; their pixels, at most."""


def recorded_frames(
    host: AbstractHostEnvironment,
    rendering: Any,
    policy: RolloutPolicy,
    intervention: Intervention,
    *,
    environment: str,
    method: str,
    acts: str,
    episodes: int,
    seed: int,
    longest: int,
) -> list[RecordedEpisode]:
    """Episodes of a policy under an intervention in `host`, with frames of what it runs.

    `rendering` has Gymnasium's `render` and `render_mode`; without frames if it is not
    `rgb_array`. `acts` is what acts where the intervention steps in, in words; empty where nothing
    does. Episodes are cut off after `longest` steps. Raises `HandrailError` where rendering fails.
    """
    every = max(1, math.ceil(longest / PICTURES))
    filmed = Filmed(host, _Camera(rendering, every))
    keys = jax.random.split(jax.random.key(seed), episodes)
    driver = Compiled(policy, EveryEpisode(intervention), record=decided, at_once=True)
    done = rollout_on_host(filmed, driver, keys=keys, longest=longest)
    thresholds = intervention.when.thresholds()
    recorded = []
    for number, film in enumerate(filmed.films):
        ended = bool(np.asarray(done.terminated)[number])
        recorded.append(
            RecordedEpisode(
                kind="frames",
                environment=environment,
                method=method,
                seed=seed,
                number=number,
                shielded=bool(acts),
                columns=columns_of(done, number, thresholds, _parts),
                thresholds=thresholds,
                acts=acts,
                outcome="ended by the task" if ended else "time limit",
                frames=tuple(frame for frame in film if frame is not None),
                every=every,
            )
        )
    return recorded


class _Camera:
    """Frames of an environment as WebP, of one in `every` states."""

    def __init__(self, env: Any, every: int):
        self._env, self._every = env, every

    def __call__(self, state: int) -> bytes | None:
        if state % self._every or getattr(self._env, "render_mode", None) != "rgb_array":
            return None
        try:
            frame = np.asarray(self._env.render())
        except Exception as error:  # of a user's environment
            raise HandrailError(
                f"rendering the environment raised {first_line(error)!r} "
                f"({type(error).__name__}): install what it renders with, or build it with "
                "render_mode=None, for series without pictures"
            ) from None
        if frame.ndim != 3 or frame.shape[2] < 3 or frame.dtype != np.uint8:
            raise HandrailError(
                f"the environment renders {frame.dtype} of shape {frame.shape}; expected uint8 "
                "(height, width, 3)"
            )
        from PIL import Image

        picture = Image.fromarray(np.ascontiguousarray(frame[..., :3]))
        picture.thumbnail((WIDTH, WIDTH))
        data = io.BytesIO()
        picture.save(data, "WEBP", quality=80)
        return data.getvalue()


def _parts(seen: Any) -> dict[str, np.ndarray]:
    named = seen if isinstance(seen, Mapping) else {"observation": seen}
    flat = {name: part.reshape(len(part), -1) for name, part in named.items()}
    small = {name: part for name, part in flat.items() if part.shape[1] <= MOST_KEPT}
    return dict(list(small.items())[:MOST_PARTS])
