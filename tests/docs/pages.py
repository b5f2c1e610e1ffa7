"""The pages of the site, and what is in them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
HISTORY = DOCS / "notebook"
"""Says what was, under the names of the time."""
TEXTS = {str(path.relative_to(DOCS)): path.read_text("utf-8") for path in PAGES}
TODAY = {name: text for name, text in TEXTS.items() if not name.startswith("notebook/")}


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """The words of every `handrail` command in the shell blocks of a page."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    found = [shlex.split(line, comments=True) for line in lines]
    begun = [
        words[next(map(words.index, ["handrail"])) :] for words in found if "handrail" in words
    ]
    return [words for words in begun if words[0] == "handrail"]


def code(text: str) -> set[str]:
    """What stands in `code` within sentences and tables, without the blocks."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose))
