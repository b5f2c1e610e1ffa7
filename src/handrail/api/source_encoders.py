"""An encoder of a source of one's own with real actions: which states harm follows."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from handrail.core.arguments import folder_of, override, seed_number
from handrail.core.identity import passed_in
from handrail.core.recorded import PASSED, stable
from handrail.envs.gymnasium.building import (
    Environment,
    built_twice,
    closes_environments,
    episode_steps,
    needs_box,
)
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.unsafe_starts import START, UnsafeStart, share_of_starts
from handrail.methods.sagui.near_settings import SourceEncoderSettings
from handrail.methods.sagui.own_problems import source_in
from handrail.methods.sagui.train_encoder import train_source_encoder as train


@closes_environments
def train_source_encoder(
    source: Environment,
    folder: Path | str,
    *,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    episode_length: int | None = None,
    rescue_share: float = 0.0,
    unsafe_start: UnsafeStart = START,
    steps: int = 100_000,
    horizon: int = 10,
    latent: int = 16,
    hidden: tuple[int, ...] = (128, 128),
    train_every: int = 5,
    batch: int = 128,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Path:
    """Learns which states of a source harm follows (arXiv:2503.10318, phase 1, with real actions).

    Random actions drive, each for 30 steps, so mistakes have to be allowed here. Returns the file,
    for `train_student(encoder=...)` under a method whose guide acts near unsafe states. Its parts
    have to be those of the guide. Raises `HandrailError` where no step cost anything.

    Args:
        source: as of `train_guide`.
        folder: of the run; it must be empty or hold this very run.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        episode_length: the time limit in steps, if the environment does not say.
        rescue_share: share of the episodes that begin in danger.
        unsafe_start: as of `train_guide`.
        steps: environment steps, a multiple of 100.
        horizon: a state is unsafe if harm followed within so many steps.
        latent: size of the embedding.
        hidden: hidden layers of the encoder, and of the decoder in reverse.
        train_every: steps between updates.
        batch: observations an update, half of them unsafe.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = folder_of(folder)
    rescued = share_of_starts(rescue_share, unsafe_start)
    given = {
        "steps": steps, "horizon": horizon, "latent": latent, "hidden": hidden,
        "train_every": train_every, "batch": batch, "seed": seed_number(seed),
    }  # fmt: skip
    settings = override(SourceEncoderSettings(environment="", rescue_share=rescued), given)
    host, trial = built_twice(
        source, cost=cost, limits=limits, parts=parts, episode_length=episode_length,
        warn_of_scales=True,
    )  # fmt: skip
    needs_box(host)
    longest = episode_steps(host, episode_length)
    settings = dataclasses.replace(settings, environment=host.name, episode_length=longest)
    where = source_in(
        host, trial, longest, bonus=None, rescue_share=rescued, unsafe_start=unsafe_start
    )
    start = {"unsafe_start": unsafe_start} if rescued else {}
    recorded = {
        "purpose": "own encoder of a source", "run": stable(settings), "needs": {},
        PASSED: passed_in(host, source, cost=cost, parts=parts, limits=limits, **start),
    }  # fmt: skip
    return train(where, settings, folder, recorded=recorded, report=report)
