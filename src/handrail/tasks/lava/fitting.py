"""Whether knowledge fits a run: what both see, how far, and what is asked of it."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handrail.core.artifact import Card, load
from handrail.core.errors import HandrailError
from handrail.envs.lava.make import check_alike
from handrail.envs.lava.source import open_source
from handrail.envs.lava.views import EGOCENTRIC_CHANNELS, egocentric_side
from handrail.networks.pixels import check_encoder_sizes, check_q_sizes
from handrail.tasks.family import Files
from handrail.tasks.lava.resolve import view_of
from handrail.tasks.lava.settings import LavaEncoder, LavaGuide, LavaPrior, LavaRun
from handrail.tasks.lava.student import Knowledge

REMEDY = "set prior.window and encoder.window, such as to 9, when it is acquired"


def check_acquired(run: LavaRun, knowledge: Mapping[str, Any]) -> None:
    """Refuses settings of knowledge that would not fit a run, before it is acquired."""
    for kind, settings in knowledge.items():
        _check_settings(kind, settings)
        if settings.view != "pixels" and settings.window is None:
            own, other = grid_size(run.environment), grid_size(settings.environment)
            if own != other:
                raise HandrailError(
                    f"{kind}: grids of {settings.environment} are {_cells(other)}, those of "
                    f"{run.environment} {_cells(own)}, and the {settings.view} view shows the "
                    f"whole grid, so its knowledge does not fit; {REMEDY}"
                )
    windows = {kind: settings.window for kind, settings in knowledge.items()}
    if len(set(windows.values())) > 1:
        said = ", ".join(f"{kind}.window is {window}" for kind, window in windows.items())
        raise HandrailError(f"{said}: all must see the same; set them to one number, or to none")
    prior = knowledge.get("prior")
    if run.safety.pessimism and prior is not None and prior.members == 1:
        raise HandrailError(
            f"safety.pessimism is {run.safety.pessimism:g}, but prior.members is 1: one prior does "
            "not disagree with itself; set prior.members, such as to 3, or pessimism to 0"
        )


def _check_settings(kind: str, settings: LavaPrior | LavaEncoder | LavaGuide) -> None:
    check_alike([settings.environment, *settings.further_environments])
    if settings.window is not None:
        if settings.view != "egocentric":
            raise HandrailError(
                f"{kind}.window is {settings.window}, but {kind}.view is {settings.view!r}: only "
                "the egocentric view has a window; leave it out"
            )
        egocentric_side(0, 0, settings.window)
    if settings.view == "pixels":
        _check_sizes(kind, settings)
    if settings.appearance == "own":
        return
    if settings.view != "pixels":
        raise HandrailError(
            f"{kind}.appearance is 'random', but {kind}.view is {settings.view!r}, which has no "
            "colours: set observation to pixels, or leave it out"
        )
    if isinstance(settings, LavaPrior) and settings.layouts == "one":
        raise HandrailError(
            "prior.appearance is 'random', but prior.layouts is 'one', and each layout has one "
            "look: set prior.layouts to many"
        )


def _check_sizes(kind: str, settings: LavaPrior | LavaEncoder | LavaGuide) -> None:
    """Of networks that read images."""
    if isinstance(settings, LavaEncoder):
        check_encoder_sizes(f"{kind}.images", settings.images)
    for name in ("source_learning", "prior_learning", "acting", "learning"):
        if (learning := getattr(settings, name, None)) is not None:
            check_q_sizes(f"{kind}.{name}.images", learning.images)


def knowledge_of(run: LavaRun, files: Files) -> Knowledge:
    """The files of a run and what they see. Raises `HandrailError` where that does not fit."""
    wanted = view_of(run)
    cards = {
        kind: load(path, expect=kind)[0] for kind, path in files.items() if path.exists()
    }  # the others are still to be acquired
    seen = {(card.spec.get("view"), window_of(files[kind], card)) for kind, card in cards.items()}
    if len(seen) > 1:
        both = ", ".join(sorted(_view_words(*one) for one in seen))
        raise HandrailError(
            f"prior and encoder see different things: {both}; "
            "both must have been acquired with one view"
        )
    if not seen:
        return Knowledge(view=wanted if files else run.observation, window=None, **files)
    view, window = seen.pop()
    if view not in (wanted, run.observation):
        raise HandrailError(
            f"the knowledge was acquired on {view!r} observations, but a run on "
            f"{run.observation!r} observations needs {wanted!r}"
        )
    for kind, card in cards.items():
        check_size(files[kind], card, run.environment, *grid_size(run.environment))
    return Knowledge(view=str(view), window=window, **files)


def window_of(path: Path, card: Card) -> int | None:
    """The window of a file's egocentric view; None where it depends on the grid."""
    window = card.spec.get("window")
    if window is not None and type(window) is not int:
        raise HandrailError(f"{path}: the card's window is {window!r}, expected a whole number")
    return window


def check_size(path: Path, card: Card, environment: str, width: int, height: int) -> None:
    """Refuses a file whose egocentric view shows as much as grids of another size need."""
    shape = card.spec.get("shape")
    if card.spec.get("view") != "egocentric" or window_of(path, card) is not None:
        return
    needed = egocentric_side(width, height)
    if isinstance(shape, list) and shape != [needed**2 * len(EGOCENTRIC_CHANNELS)]:
        side = math.isqrt(math.prod(shape) // len(EGOCENTRIC_CHANNELS))
        raise HandrailError(
            f"{path} does not fit {environment}: its egocentric view shows {_cells((side, side))}, "
            f"for grids of {_cells(((side + 1) // 2,) * 2)}, but grids of {environment} are "
            f"{_cells((width, height))} and need {_cells((needed, needed))}; {REMEDY}"
        )


@functools.cache
def grid_size(environment: str) -> tuple[int, int]:
    """(width, height) of an environment's grids, walls included."""
    real = open_source(environment).real
    return real.width, real.height


def _cells(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]} cells"


def _view_words(view: object, window: int | None) -> str:
    return f"{view}" if window is None else f"{view} ({window} × {window} cells)"
