"""Recorded episodes in environments of the user's: frames that they render, and series."""

import inspect
import io
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.api.environments import build_host, built, closes_environments
from handrail.api.policies import card_of_policy, open_networks, parts_of
from handrail.cli.check_env import attribute
from handrail.cli.evaluate import OWN, OwnRun, factory_of
from handrail.core.arguments import override
from handrail.core.errors import HandrailError, first_line
from handrail.core.files import read_json
from handrail.core.plain_text import message
from handrail.core.recorded import mapping
from handrail.core.renamed import migrated
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.experiments import launch
from handrail.experiments.launch import Which
from handrail.experiments.schema import flat
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.methods.sagui.acting import acts_instead, intervention_of
from handrail.methods.sagui.cards import Limits
from handrail.methods.sagui.problem import Target, interface_of
from handrail.methods.sagui.settings import StudentRun
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.drivers import AbstractDriver, ByHand, Compiled
from handrail.train.rollout.host import rollout_on_host
from handrail.train.rollout.recorded import RecordedEpisode
from handrail.train.rollout.recording import Filmed, Noted, columns_of, decided

MOST_PARTS, MOST_KEPT = 8, 32
"""Parts of an observation, and numbers of each, that are kept."""
PICTURES, WIDTH = 200, 480
"""Frames of an episode that goes to its time limit, at most; their pixels, at most."""


def record_own(
    folder: Path,
    run: OwnRun,
    *,
    episodes: int,
    seed: int,
    shielded: bool,
    which: Which,
    environment: str | None,
    cost_fn: str | None,
    episode_length: int | None,
    guide: Path | None,
) -> list[RecordedEpisode]:
    """Episodes of a finished run in the user's environment, as of `handrail evaluate`.

    With `shielded` the intervention of a student's method acts, with this guide. Frames are there
    if the environment can render `rgb_array`. Raises `HandrailError` where the run, its policy,
    guide or environment do not fit.
    """
    launch.check_evaluation(folder, episodes)
    file = OWN[run.purpose](folder, which)
    make = factory_of(folder, run, environment, cost_fn)
    cost = None if cost_fn is None else attribute(cost_fn, "--cost-fn")
    stored = _settings(folder) if run.purpose == "own student" else None
    if shielded:
        _check_shield(folder, stored, guide)
    return _recorded(
        run, file, lambda: rendering(make), stored, shielded, cost=cost, episodes=episodes,
        seed=seed, guide=guide,
        longest=run.episode_length if episode_length is None else episode_length,
    )  # fmt: skip


def rendering(make: Callable[..., Any]) -> Any:
    """The environment that `make` builds, rendering frames if it can, without a screen."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # of pygame, which many render with
    if "render_mode" in _parameters(make):
        return make(render_mode="rgb_array")
    env = make()
    spec = getattr(env, "spec", None)
    modes = getattr(env, "metadata", None) or {}
    if (
        getattr(env, "render_mode", None)
        or spec is None
        or "rgb_array" not in modes.get("render_modes", ())
    ):
        return env
    import gymnasium

    env.close()
    return gymnasium.make(spec, render_mode="rgb_array")


def _parameters(make: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):
        return {}


def _settings(folder: Path) -> StudentRun:
    """The settings of a student's run."""
    path = folder / "run.json"
    given = flat(mapping(migrated(read_json(path), str(path)).get("run")))
    return override(
        StudentRun(), {name: value for name, value in given.items() if value is not None}
    )


def _check_shield(folder: Path, student: StudentRun | None, guide: Path | None) -> None:
    """Refuses a run whose intervention no file holds, or whose guide was not named."""
    if student is None:
        raise HandrailError(
            f"{folder}: the intervention of this run was an object of your program, which no file "
            "holds; leave --shielded out"
        )
    if acts_instead(student.method) == "the guide" and guide is None:
        raise HandrailError(
            f"{folder}: method {message(student.method)!r} needs its guide: add --guide FILE"
        )


@closes_environments
def _recorded(
    run: OwnRun,
    file: Path,
    make: Callable[[], Any],
    student: StudentRun | None,
    shielded: bool,
    *,
    cost: CostFn | None,
    episodes: int,
    seed: int,
    guide: Path | None,
    longest: int,
) -> list[RecordedEpisode]:
    card = card_of_policy(file)
    limits = Limits.read(card, source=str(file)) if "limit" in card.spec else None
    several = run.limits if limits is None else limits.several
    env = built(make)
    host = build_host(
        lambda: env, cost=cost, limits=several or None, parts=parts_of(env, card),
        episode_length=longest,
    )  # fmt: skip
    if not isinstance(host, GymnasiumHost):
        raise HandrailError(
            f"{host.name} is several environments side by side; name a function that builds one"
        )
    policy = open_networks(file, card, interface_of(host, longest))
    intervention: Intervention = none()
    acts = ""
    if shielded and student is not None:
        where = Target(interface_of(host, longest), host, host, longest=longest)
        intervention = intervention_of(where, student, {"guide": guide} if guide else {})
        acts = acts_instead(student.method)
    every = max(1, math.ceil(longest / PICTURES))
    filmed = Filmed(host, _Camera(env, every))
    keys = jax.random.split(jax.random.key(seed), episodes)
    done = rollout_on_host(filmed, _driver(policy, intervention), keys=keys, longest=longest)
    thresholds = intervention.when.thresholds()
    recorded = []
    for number, film in enumerate(filmed.films):
        frames = tuple(frame for frame in film if frame is not None)
        columns = columns_of(done, number, thresholds, _parts)
        ended = bool(np.asarray(done.terminated)[number])
        recorded.append(
            RecordedEpisode(
                kind="frames",
                environment=run.environment,
                method=student.method if student is not None else run.purpose,
                seed=seed,
                number=number,
                shielded=bool(acts),
                columns=columns,
                thresholds=thresholds,
                acts=acts,
                outcome="ended by the task" if ended else "time limit",
                frames=frames,
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


def _driver(policy: Any, intervention: Intervention) -> AbstractDriver:
    if isinstance(policy, OnVectors):
        acting = Drawn(Sampled(policy))
        return Compiled(acting, lambda key, number: intervention, record=decided, at_once=True)

    def greedy(observation: Any) -> np.int32:
        return np.int32(np.argmax(policy(observation)))

    return Noted(ByHand(lambda key: greedy))


def _parts(seen: Any) -> dict[str, np.ndarray]:
    named = seen if isinstance(seen, Mapping) else {"observation": seen}
    flat = {name: part.reshape(len(part), -1) for name, part in named.items()}
    small = {name: part for name, part in flat.items() if part.shape[1] <= MOST_KEPT}
    return dict(list(small.items())[:MOST_PARTS])
