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
from results.recorded import Recorded
from results.tables import HERE

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


def _guided(rows_of: str, of: str, labels: Mapping[str, str], family: str = "navigation") -> Drawn:
    return Drawn(navigation, Recorded(family, rows_of, of, _plain(labels)))


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of tables without their Markdown."""
    return {name: label.replace("**", "").replace("`", "") for name, label in labels.items()}


def _itself(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


DISTANCES = _itself("1.0", "1.5", "2.0", "2.5", "3.0", "4.0", "adaptive")
PICTURES = {
    "lava/lava-returns.png": _lava(learning, "lava-returns", LABELS),
    "lava/lava-returns-fresh.png": _lava(learning, "lava-returns-fresh", FRESH),
    "lava/lava-gamma.png": _lava(learning, "lava-gamma", GAMMA),
    "lava/lava-ablation.png": _lava(bars_of_variants, "lava-ablation", PARTS),
    "lava/lava-transfer.png": _lava(bars_of_variants, "lava-transfer", TRANSFER),
    "lava/lava-distance.png": _lava(sweep_of_variants, "lava-distance", DISTANCES),
    "lava/lava-pixels.png": _lava(learning, "lava-pixels", PIXELS),
    "navigation/sagui-static.png": _guided("sagui-static", "sagui-static", named.STATIC),
    "navigation/sagui-static-fresh-short.png": _guided(
        "sagui-static-fresh-short", "sagui-static", named.TEST_SEEDS_BRIEF
    ),
    "navigation/sagui-static-fresh.png": _guided(
        "sagui-static-fresh", "sagui-static", {"budget-switch": "budget-switch"}
    ),
    "navigation/sagui-ablation.png": _guided("sagui-ablation", "sagui-ablation", named.ABLATION),
    "navigation/sagui-random-guide.png": _guided(
        "sagui-random-guide", "sagui-random-guide", named.RANDOM_GUIDE
    ),
    "navigation/sagui-bonus-fresh-short.png": _guided(
        "sagui-bonus-fresh-short", "sagui-bonus",
        _itself("displacement", "entropy", "random-network"),
    ),
    "navigation/sagui-takeover-fresh-short.png": _guided(
        "sagui-takeover-fresh-short", "sagui-takeover", named.TAKEOVERS
    ),
    "navigation/sagui-semi-dynamic.png": _guided(
        "sagui-semi-dynamic", "sagui-semi-dynamic", named.SEMI_DYNAMIC
    ),
    "navigation/sagui-semi-dynamic-paper.png": _guided(
        "sagui-semi-dynamic-paper", "sagui-semi-dynamic", named.SEMI_DYNAMIC_PAPER
    ),
    "navigation/sagui-semi-dynamic-fresh-short.png": _guided(
        "sagui-semi-dynamic-fresh-short", "sagui-semi-dynamic", named.SEMI_DYNAMIC_TEST_SEEDS
    ),
    "navigation/pointgoal1-fresh.png": _guided("pointgoal1-fresh", "pointgoal1", named.POINTGOAL1),
    "navigation/sagui-dynamic.png": _guided("sagui-dynamic", "sagui-dynamic", named.DYNAMIC),
    "navigation/sagui-dynamic-compiled.png": _guided(
        "sagui-dynamic-compiled", "sagui-dynamic-compiled", named.COMPILED
    ),
    "navigation/sagui-dynamic-compiled-fresh.png": _guided(
        "sagui-dynamic-compiled-fresh", "sagui-dynamic-compiled", named.DYNAMIC_TEST_SEEDS
    ),
    "velocity/velocity-fresh.png": _guided(
        "velocity-fresh", "velocity", named.VELOCITY, "velocity"
    ),
}  # fmt: skip


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
