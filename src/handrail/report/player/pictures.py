"""Pictures of recorded episodes, painted with Pillow alone: for videos, without a screen."""

import functools
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.report.player.block import picture_of
from handrail.train.rollout.recorded import RecordedEpisode

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Board = Callable[[int], "Picture"]
"""What an episode looks like in the state of this number."""
SMOOTH = 2
"""Pictures are painted so many times larger, and shrunk."""
INK, MUTED, PAPER, PANEL, LINE = "#1f2933", "#52606d", "#ffffff", "#f5f7fa", "#d9e0e7"
OWN, ACTED, GOAL, HAZARD, VASE = "#0072b2", "#c45100", "#00805d", "#7a88e2", "#1c7f8c"
LEGENDS = {"navigation": (("hazard", HAZARD), ("goal", GOAL))}
CELLS = {"#": "#7b8794", ".": PAPER, "G": PAPER, "L": "#f3b28a"}
OUTSIDE, GOAL_AREA, HAZARD_AREA = "#e3e7ec", "#8fc9b6", "#c4caf2"
COLOURS = (
    INK, MUTED, PAPER, PANEL, LINE, OWN, ACTED, GOAL, HAZARD, VASE, OUTSIDE, GOAL_AREA,
    HAZARD_AREA, CELLS["#"], CELLS["L"],
)  # fmt: skip
"""All that is painted with."""


def board_of(episode: RecordedEpisode, size: int, beside: Sequence[RecordedEpisode] = ()) -> Board:
    """How to paint the episode, at most `size` pixels wide and high.

    Robots are seen as far as they and those of the episodes `beside` go.
    """
    kind, problems = picture_of(episode)
    boards: Mapping[str, Callable[[RecordedEpisode, int], Board]] = {
        "lava": _lava,
        "navigation": functools.partial(_navigation, beside),
        "frames": _frames,
    }
    if kind not in boards:
        raise HandrailError(
            "; ".join(problems) or "the episode has no picture; write a page instead (.html)"
        )
    return boards[kind](episode, size)


def panel(episode: RecordedEpisode, board: Board, title: str, size: int) -> Board:
    """The board between a title and a line that says what was done, at what cost."""
    first = board(0)
    head, foot = 34, 48
    height = head + first.height + foot
    costs = np.concatenate([[0.0], np.cumsum(np.nan_to_num(episode.columns["cost"]))])
    acted = np.append(episode.columns["intervened"] > 0, False)
    keys = LEGENDS.get(episode.kind, ())

    def paint(state: int) -> "Picture":
        from PIL import Image, ImageDraw

        state = min(state, episode.steps)
        picture = Image.new("RGB", (size, height), PANEL)
        picture.paste(board(state), ((size - first.width) // 2, head))
        draw = ImageDraw.Draw(picture)
        draw.text((10, head // 2), _fitting(title, size - 20, 15), INK, font(15, True), "lm")
        top = head + first.height
        cost = f"cost {costs[state]:g}"
        draw.text((10, top + 15), cost, ACTED if costs[state] else INK, font(15, True), "lm")
        draw.text((size - 10, top + 15), f"step {state}", MUTED, font(13), "rm")
        said, colour = "acts by itself" if episode.method else "", MUTED
        if acted[state]:
            said, colour = f"stopped: {episode.acts or 'the substitute'} acts", ACTED
        elif state == episode.steps:
            said, colour = f"end: {episode.outcome}" if episode.outcome else "end", INK
        right = _legend(draw, keys, size - 10, top + 36) if size >= 280 else size - 10
        draw.text((10, top + 36), _fitting(said, right - 20, 13), colour, font(13), "lm")
        return picture

    return paint


def _legend(draw: Any, keys: Sequence[tuple[str, str]], right: int, y: int) -> int:
    """Writes it to the left of `right`; returns where it begins."""
    for text, colour in reversed(keys):
        right -= round(font(12).getlength(text))
        draw.text((right, y), text, MUTED, font(12), "lm")
        draw.ellipse((right - 14, y - 5, right - 4, y + 5), fill=colour)
        right -= 24
    return right


@functools.cache
def font(size: int, bold: bool = False) -> Any:
    """Matplotlib's own font, so that no system needs one."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    try:
        return ImageFont.truetype(str(path), size)
    except (OSError, ImportError) as error:
        raise HandrailError(
            f"no font for videos ({error}): reinstall matplotlib, which brings {name}, and Pillow"
        ) from None


def _fitting(text: str, width: int, size: int) -> str:
    """The text, cut where it would be wider."""
    letters = font(size, True)
    while len(text) > 1 and letters.getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text


def _shrunk(picture: "Picture") -> "Picture":
    from PIL import Image

    size = (picture.width // SMOOTH, picture.height // SMOOTH)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _lava(episode: RecordedEpisode, size: int) -> Board:
    from PIL import Image, ImageDraw

    grid = episode.scene["grid"]
    tile = max(SMOOTH * size // max(len(grid), len(grid[0])), 8)
    ground = Image.new("RGB", (tile * len(grid[0]), tile * len(grid)), LINE)
    draw = ImageDraw.Draw(ground)

    def cell(canvas: Any, x: int, y: int, **options: Any) -> None:
        box = (x * tile + 1, y * tile + 1, (x + 1) * tile - 2, (y + 1) * tile - 2)
        canvas.rectangle(box, **options)

    for y, row in enumerate(grid):
        for x, kind in enumerate(row):
            cell(draw, x, y, fill=CELLS[kind])
            if kind == "L":
                for depth in (0.3, 0.55, 0.8):
                    wave = [
                        ((x + 0.12 + 0.76 * s / 12) * tile,
                         (y + depth - 0.1 * math.sin(math.pi * s / 3) + 0.02) * tile)
                        for s in range(13)
                    ]  # fmt: skip
                    draw.line(wave, ACTED, max(tile // 16, 1), "curve")
            if kind == "G":
                draw.polygon(_star((x + 0.5) * tile, (y + 0.5) * tile, 0.36 * tile), GOAL)
    poses = episode.columns["state/robot"].astype(int)
    acted = np.append(episode.columns["intervened"] > 0, False)
    proposed = episode.columns.get("proposed")
    names = episode.actions

    def paint(state: int) -> "Picture":
        picture = ground.copy()
        canvas = ImageDraw.Draw(picture)
        for x, y in {(int(x), int(y)) for x, y, _ in poses[:state]}:
            _disc(canvas, (x + 0.5) * tile, (y + 0.5) * tile, 0.08 * tile, MUTED)
        x, y, turn = poses[state]
        colour = ACTED if acted[state] else INK
        if proposed is not None and state < len(proposed) and proposed.ndim == 1:
            number = int(proposed[state]) if np.isfinite(proposed[state]) else -1
            if 0 <= number < len(names) and names[number] == "forward":
                dx, dy = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn]
                edge = ACTED if acted[state] else OWN
                cell(canvas, x + dx, y + dy, outline=edge, width=max(tile // 12, 2))
        points = [(0.36, 0), (-0.28, 0.28), (-0.16, 0), (-0.28, -0.28)]
        canvas.polygon(_turned(points, x + 0.5, y + 0.5, turn * math.pi / 2, tile), colour)
        return _shrunk(picture)

    return paint


def _reach(episode: RecordedEpisode) -> float:
    """How far from the middle there is something to see (m)."""
    farthest = float(np.abs(episode.columns["state/robot"][:, :2]).max())
    return max(1.12 * episode.scene["extent"], farthest + 0.2)


def _navigation(beside: Sequence[RecordedEpisode], episode: RecordedEpisode, size: int) -> Board:
    from PIL import Image, ImageDraw

    scene, columns = episode.scene, episode.columns
    robot = columns["state/robot"]
    alike = [other for other in beside if picture_of(other)[0] == "navigation"]
    reach = max(map(_reach, (episode, *alike)))
    side = SMOOTH * size
    scale = side / (2 * reach)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x + reach) * scale, (reach - y) * scale

    ground = Image.new("RGB", (side, side), OUTSIDE)
    draw = ImageDraw.Draw(ground)
    extent = scene["extent"]
    draw.rectangle((*at(-extent, extent), *at(extent, -extent)), fill=PAPER)
    acted = np.append(columns["intervened"] > 0, False)
    cost = np.append(np.nan_to_num(columns["cost"]) > 0, False)
    hazards, goals = scene["hazards"], columns["state/goal"]
    vases, half = columns.get("state/vases"), scene["vase_size"]
    for radius in scene.get("rings", ()):
        box = (*at(-radius, radius), *at(radius, -radius))
        draw.ellipse(box, outline=GOAL, width=2 * SMOOTH)
    for x in scene.get("walls", ()):
        draw.line((*at(x, -extent), *at(x, extent)), HAZARD, 3 * SMOOTH)
    for x, y, radius in scene.get("discs", ()):
        _disc(draw, *at(x, y), radius * scale, LINE, MUTED)

    def paint(state: int) -> "Picture":
        picture = ground.copy()
        canvas = ImageDraw.Draw(picture)
        if np.isfinite(goals[state]).all():
            _disc(canvas, *at(*goals[state]), scene["goal_radius"] * scale, GOAL_AREA, GOAL)
        for place in hazards:
            _disc(canvas, *at(*place), scene["hazard_size"] * scale, HAZARD_AREA, HAZARD)
        for x, y, turn in () if vases is None else vases[state]:
            corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
            canvas.polygon([at(*p) for p in _turned(corners, x, y, turn, 1.0)], VASE)
        for step in range(state):
            line = (*at(*robot[step, :2]), *at(*robot[step + 1, :2]))
            canvas.line(line, ACTED if acted[step] else OWN, 2 * SMOOTH)
        for step in np.flatnonzero(cost[:state]):
            x, y = at(*robot[step + 1, :2])
            arm = 2.5 * SMOOTH
            canvas.line((x - arm, y - arm, x + arm, y + arm), INK, SMOOTH)
            canvas.line((x - arm, y + arm, x + arm, y - arm), INK, SMOOTH)
        x, y, heading = robot[state]
        colour = ACTED if acted[state] else INK
        _disc(canvas, *at(x, y), 0.12 * scale, colour, PAPER)
        nose = [(0.06, -0.1), (0.24, 0.0), (0.06, 0.1)]
        canvas.polygon([at(*p) for p in _turned(nose, x, y, heading, 1.0)], colour)
        return _shrunk(picture)

    return paint


def _frames(episode: RecordedEpisode, size: int) -> Board:
    from PIL import Image

    def paint(state: int) -> "Picture":
        number = min(state // episode.every, len(episode.frames) - 1)
        try:
            picture = Image.open(io.BytesIO(episode.frames[number]), formats=["WEBP"])
            picture = picture.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise HandrailError(f"frame {number + 1} of the recording: {error}") from None
        share = min(size / picture.width, size / picture.height)
        shape = (max(round(picture.width * share), 1), max(round(picture.height * share), 1))
        return picture.resize(shape, Image.Resampling.LANCZOS)

    return paint


def _disc(
    canvas: Any, x: float, y: float, radius: float, fill: str, edge: str | None = None
) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    canvas.ellipse(box, fill=fill, outline=edge, width=SMOOTH)


def _turned(points, x, y, turn, scale) -> list[tuple[float, float]]:
    """Points around the origin, turned and moved; then in units of `scale`."""
    cos, sin = math.cos(turn), math.sin(turn)
    return [((x + u * cos - v * sin) * scale, (y + u * sin + v * cos) * scale) for u, v in points]


def _star(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    lengths = [radius if k % 2 == 0 else 0.42 * radius for k in range(10)]
    return [
        (x + r * math.sin(math.pi * k / 5), y - r * math.cos(math.pi * k / 5))
        for k, r in enumerate(lengths)
    ]
