"""Videos of recorded episodes: animated GIF by Pillow, MP4 by the encoder of imageio-ffmpeg."""

import contextlib
import itertools
import math
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.core.errors import HandrailError, first_line
from handrail.core.files import atomic
from handrail.report.player.pictures import COLOURS, PANEL, Board, panel
from handrail.train.rollout.recorded import RecordedEpisode

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

ENDINGS = (".gif", ".mp4")
FRAMES = 250
"""Into which an episode is fitted where nothing else is asked for."""
HELD = 1.2
"""Seconds for which the last picture of an episode stays."""
MIXED = 96
"""Colours of a GIF beside the painter's own."""


class Reel:
    """Episodes one after another, each of one panel or of several beside each other."""

    def __init__(
        self,
        rows: Sequence[Sequence[tuple[RecordedEpisode, Board, str]]],
        *,
        size: int,
        every: int | None,
        fps: float | None,
    ):
        """Each row has episodes that are shown at once, with boards and titles.

        A board is `size` pixels wide; a picture is shown of every `every`-th step.
        """
        self._rows = [
            [(episode.steps, panel(episode, board, title, size)) for episode, board, title in row]
            for row in rows
        ]
        longest = max(steps for row in self._rows for steps, _ in row)
        grid = rows[0][0][0].kind == "lava"
        self.every = max(1, math.ceil(longest / FRAMES)) if every is None else every
        self.fps = (5.0 if grid else 25.0) if fps is None else fps
        self._size = size

    def __len__(self) -> int:
        return sum(len(self._states(row)) for row in self._rows)

    def pictures(self) -> "Iterator[Picture]":
        """All of them, of one size."""
        from PIL import Image

        gap, height = 12, max(paint(0).height for row in self._rows for _, paint in row)
        width = max(len(row) for row in self._rows) * (self._size + gap) - gap
        shape = (width + width % 2, height + height % 2)  # encoders want even numbers
        for row in self._rows:
            for state in self._states(row):
                whole = Image.new("RGB", shape, PANEL)
                for number, (steps, paint) in enumerate(row):
                    whole.paste(paint(min(state, steps)), (number * (self._size + gap), 0))
                yield whole

    def _states(self, row) -> list[int]:
        last = max(steps for steps, _ in row)
        return [*range(0, last, self.every), *[last] * max(1, round(HELD * self.fps))]


def check_ending(path: Path) -> None:
    """Refuses what cannot be written, before anything is computed."""
    if path.suffix not in ENDINGS:
        raise HandrailError(f"{path.name!r}: expected a name that ends in .mp4, .gif or .html")
    if path.suffix == ".mp4":
        _encoder()


def write_video(path: Path, reel: Reel) -> None:
    """Writes MP4 or an animated GIF that repeats for ever, as the ending of the name says."""
    check_ending(path)
    (_write_gif if path.suffix == ".gif" else _write_mp4)(path, reel)


def _write_gif(path: Path, reel: Reel) -> None:
    from PIL import Image

    count = len(reel)
    keep = {0, count // 3, 2 * count // 3, count - 1}
    samples = [picture for n, picture in enumerate(reel.pictures()) if n in keep]
    sheet = Image.new("RGB", (samples[0].width, samples[0].height * len(samples)))
    for number, sample in enumerate(samples):
        sheet.paste(sample, (0, number * sample.height))
    palette = _palette(sheet)
    pictures = [
        picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in reel.pictures()
    ]
    duration = max(20, round(1000 / reel.fps))  # viewers ignore less than 20 ms
    with atomic(path) as temporary:
        pictures[0].save(
            temporary, format="GIF", save_all=True, append_images=pictures[1:],
            duration=duration, loop=0, optimize=False,
        )  # fmt: skip


def _palette(sheet: "Picture") -> "Picture":
    """The painter's own colours, and the most frequent of the sheet's: mixtures at edges."""
    from PIL import Image, ImageColor

    own = [number for colour in COLOURS for number in ImageColor.getrgb(colour)]
    mixed = sheet.quantize(MIXED, dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette((own + mixed[: 3 * MIXED])[: 3 * 256])
    return palette


def _write_mp4(path: Path, reel: Reel) -> None:
    pictures = reel.pictures()
    first = next(pictures)
    with atomic(path) as temporary:
        command = [
            _encoder(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-s", f"{first.width}x{first.height}", "-r", f"{reel.fps:g}", "-i", "-", "-an",
            "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart",
            "-f", "mp4", str(temporary),
        ]  # fmt: skip
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as running:
            assert running.stdin is not None and running.stderr is not None
            with contextlib.suppress(BrokenPipeError):  # then it says why
                for picture in itertools.chain([first], pictures):
                    running.stdin.write(picture.tobytes())
                running.stdin.close()
            said = running.stderr.read().decode(errors="replace")
        if running.returncode:
            why = (said.strip().splitlines() or ["it does not say why"])[0]
            raise HandrailError(f"the encoder could not write {path}: {why}")


def _encoder() -> str:
    """The program that imageio-ffmpeg brings."""
    fix = "pip install 'handrail[video]', or write a .gif, which needs nothing"
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except ImportError:
        raise HandrailError(f"MP4 needs imageio-ffmpeg, which brings an encoder: {fix}") from None
    except RuntimeError as error:
        raise HandrailError(
            f"imageio-ffmpeg found no encoder ({first_line(error)}): {fix}"
        ) from None
