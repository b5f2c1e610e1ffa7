"""Writes the numbers of README and docs from the raw data of this folder, or checks them.

    python -m results.claims            # what is stale, exit code 1 if anything is
    python -m results.claims --write    # brings the pages up to date

A page holds a number or a table between two marks, invisible where the page is read:
`<!-- data: NAME -->` and `<!-- /data -->`. `NAME` is one of `TABLES`, or a number's name from
`NUMBERS`. A table stands on lines of its own, a number in its sentence.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from results.confirmed_tables import CONFIRMED_TABLES
from results.guarantee_tables import GUARANTEE_NUMBERS, GUARANTEE_TABLES
from results.lava_tables import LAVA_NUMBERS, LAVA_TABLES
from results.navigation_tables import NAVIGATION_NUMBERS, NAVIGATION_TABLES

ROOT = Path(__file__).parents[1]
TABLES: dict[str, Callable[[], str]] = {
    **LAVA_TABLES,
    **NAVIGATION_TABLES,
    **GUARANTEE_TABLES,
    **CONFIRMED_TABLES,
}
NUMBERS: dict[str, Callable[[], str]] = {
    **LAVA_NUMBERS,
    **NAVIGATION_NUMBERS,
    **GUARANTEE_NUMBERS,
}
MARK = re.compile(r"(<!-- data: (?P<name>[^>]*?) -->)(?P<text>.*?)(<!-- /data -->)", re.DOTALL)


class Unknown(Exception):
    """A page names data that nothing computes."""


def pages() -> list[Path]:
    """README and every page of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def current(name: str) -> str:
    """What stands between the marks of `name`, from the raw data."""
    if name in TABLES:
        return f"\n{TABLES[name]()}\n"
    if name in NUMBERS:
        return NUMBERS[name]()
    raise Unknown(name)


def renewed(text: str) -> tuple[str, list[str]]:
    """A page's text from the data, and the names of what was stale in it."""
    stale = []

    def replace(found: re.Match[str]) -> str:
        wanted = current(found["name"])
        if found["text"] != wanted:
            stale.append(found["name"])
        return f"{found[1]}{wanted}{found[4]}"

    return MARK.sub(replace, text), stale


def main() -> int:
    """Checks or writes all pages; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="bring the pages up to date")
    write = parser.parse_args().write
    wrong, checked = 0, 0
    for path in pages():
        text = path.read_text(encoding="utf-8")
        checked += len(MARK.findall(text))
        try:
            new, stale = renewed(text)
        except Unknown as error:
            print(f"{path.relative_to(ROOT)}: nothing computes {str(error)!r}")
            wrong += 1
            continue
        if write and new != text:
            path.write_text(new, encoding="utf-8")
        for name in stale:
            print(f"{path.relative_to(ROOT)}: {name} {'written' if write else 'is stale'}")
        wrong += 0 if write else len(stale)
    print(f"{checked} tables and numbers from raw data, {wrong} mismatches")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
