"""Draws the pictures of the pages from the raw data of this folder, or checks them.

    python -m results.figures            # which are stale, exit code 1 if any is
    python -m results.figures --write    # draws those again

A picture carries the digest of its data (the PNG text `DIGEST`), so a stale one is found without
drawing it. Pictures of what lies in run folders alone (`FROM_RUNS`: embeddings, visits, maps of
guides) come from `results.collect`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from handrail.report.finished import Shown
from handrail.report.html import Block, Charts, Picture
from handrail.report.lava_figures import bars_of_variants, learning, sweep_of_variants
from handrail.report.navigation_figures import navigation
from handrail.report.style import DIGEST, png
from results import navigation_labels as named
from results.lava_tables import FRESH, GAMMA, LABELS, PARTS, PIXELS, TRANSFER
from results.navigation_tables import family
from results.recorded import Recorded
from results.tables import HERE, own_names

Draw = Callable[[Shown], list[Block]]
FROM_RUNS = (
    "lava/lava-embedding.png", "lava/lava-embedding-3.png", "lava/lava-heatmap.png",
    "navigation/sagui-guide.png",
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A picture: the function that draws it, and the runs that it shows."""

    draw: Draw
    runs: Recorded

    def picture(self) -> bytes:
        """The PNG."""
        figures = [
            block.figure
            for block in self.draw(self.runs)
            if isinstance(block, Picture | Charts) and block.figure
        ]
        return png(figures[0](), digest=self.runs.digest)


def _lava(draw: Draw, rows_of: str, labels: Mapping[str, str]) -> Drawn:
    of = rows_of.removesuffix("-fresh")
    return Drawn(draw, Recorded("lava", rows_of, of, _plain(labels)))


def _guided(labels: Mapping[str, str], rows_of: str, of: str = "") -> Drawn:
    return Drawn(navigation, Recorded(family(rows_of), rows_of, of or rows_of, _plain(labels)))


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of tables without their Markdown."""
    return {name: label.replace("**", "").replace("`", "") for name, label in labels.items()}


def _under_own_names(rows_of: str, of: str) -> Drawn:
    return _guided(own_names(family(rows_of), rows_of, of), rows_of, of)


DISTANCES = own_names("lava", "lava-distance", "lava-distance")
PICTURES = {
    f"{own.runs.family}/{own.runs.rows_of}.png": own
    for own in (
        _lava(learning, "lava-returns", LABELS),
        _lava(learning, "lava-returns-fresh", FRESH),
        _lava(learning, "lava-gamma", GAMMA),
        _lava(learning, "lava-pixels", PIXELS),
        _lava(bars_of_variants, "lava-ablation", PARTS),
        _lava(bars_of_variants, "lava-transfer", TRANSFER),
        _lava(sweep_of_variants, "lava-distance", DISTANCES),
        _guided(named.STATIC, "sagui-static"),
        _guided(named.TEST_SEEDS_BRIEF, "sagui-static-fresh-short", "sagui-static"),
        _guided({"budget-switch": "budget-switch"}, "sagui-static-fresh", "sagui-static"),
        _guided(named.ABLATION, "sagui-ablation"),
        _guided(named.RANDOM_GUIDE, "sagui-random-guide"),
        _under_own_names("sagui-bonus-fresh-short", "sagui-bonus"),
        _under_own_names("sagui-takeover-fresh-short", "sagui-takeover"),
        _guided(named.SEMI_DYNAMIC, "sagui-semi-dynamic"),
        _guided(
            named.SEMI_DYNAMIC_TEST_SEEDS, "sagui-semi-dynamic-fresh-short", "sagui-semi-dynamic"
        ),
        _guided(named.SEMI_DYNAMIC_PAPER, "sagui-semi-dynamic-paper", "sagui-semi-dynamic"),
        _guided(named.DYNAMIC, "sagui-dynamic"),
        _guided(named.DYNAMIC_WITH_VASE, "sagui-dynamic-fresh", "sagui-dynamic"),
        _guided(named.COMPILED, "sagui-dynamic-compiled"),
        _guided(named.DYNAMIC_TEST_SEEDS, "sagui-dynamic-compiled-fresh", "sagui-dynamic-compiled"),
        _guided(named.POINTGOAL1, "pointgoal1-fresh", "pointgoal1"),
        _guided(named.VELOCITY, "velocity-fresh", "velocity"),
    )
}
"""By their files, which are called what their rows are."""


def digest_in(path: Path) -> str:
    """The digest that a picture carries; empty where it has none, or is not there."""
    if not path.exists():
        return ""
    with Image.open(path) as picture:
        return picture.info.get(DIGEST, "")


def stale() -> list[str]:
    """The pictures whose data, variants or labels are others than when they were drawn."""
    return [name for name, own in PICTURES.items() if digest_in(HERE / name) != own.runs.digest]


def main() -> int:
    """Checks or draws the pictures; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="draw stale ones again")
    write = parser.parse_args().write
    found = stale()
    for name in found:
        if write:
            (HERE / name).write_bytes(PICTURES[name].picture())
        print(f"{name} {'drawn' if write else 'is stale'}")
    print(f"{len(PICTURES)} pictures from raw data, {0 if write else len(found)} stale")
    return 1 if found and not write else 0


if __name__ == "__main__":
    sys.exit(main())
