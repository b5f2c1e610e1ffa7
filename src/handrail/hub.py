"""Knowledge as a plain folder that the Hugging Face hub understands.

    model.safetensors   the artefact itself, card included
    config.json         the card as JSON
    README.md           the card in words, with the hub's front matter
    replay.mp4          a recorded episode, where there is one (or replay.gif)

The artefact alone decides what is loaded; the other files are for readers. Nothing is
sent or fetched unless the hub is asked for (the extra `hub`).
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handrail.core.artifact import KINDS, Card, load
from handrail.core.errors import HandrailError, first_line
from handrail.core.files import atomic, is_temporary, read_json, write_json, write_text

MODEL, CONFIG, README = "model.safetensors", "config.json", "README.md"
FILES = (README, CONFIG, MODEL)
REPLAYS = ("replay.mp4", "replay.gif")
_MEANT = re.compile("[`<>&|\x7f]")  # the rest, JSON escapes itself, or it has no meaning in code
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .+-]*")


def push(
    file: Path,
    folder: Path,
    *,
    measured: Mapping[str, Any] | None = None,
    replay: Path | None = None,
) -> Path:
    """Writes an artefact into a folder of the hub's layout; returns the folder.

    A folder that holds something else is refused; one that holds an earlier artefact of the
    same kind is overwritten.

    Args:
        file: the artefact.
        folder: where to write.
        measured: what a test of it found, by name, for the README.
        replay: a recorded episode of it (.mp4 or .gif).
    """
    file, folder = Path(file), Path(folder)
    card, arrays = load(file)
    if card.kind == "checkpoint":
        raise HandrailError(f"{file} holds a {card.kind}, which is of no use to others")
    if folder.exists() and not folder.is_dir():
        raise HandrailError(f"{folder} is a file: expected a folder to write into")
    if folder.is_dir() and (others := _others(folder)):
        raise HandrailError(
            f"{folder} holds other files ({', '.join(others[:3])}); choose a folder of its own"
        )
    if (folder / MODEL).exists() and (kind := load(folder / MODEL)[0].kind) != card.kind:
        raise HandrailError(f"{folder} holds a {kind}; choose another folder for this {card.kind}")
    with atomic(folder / MODEL) as path:
        path.write_bytes(file.read_bytes())
    write_json(folder / CONFIG, config(card))
    shown = None if replay is None else f"replay{Path(replay).suffix}"
    for name in REPLAYS:
        if name == shown and replay is not None:
            with atomic(folder / name) as path:
                path.write_bytes(Path(replay).read_bytes())
        else:
            (folder / name).unlink(missing_ok=True)
    parameters = sum(array.size for array in arrays.values())
    write_text(folder / README, readme(card, parameters, measured=measured, replay=shown))
    return folder


def pull(folder: Path, out: Path | None = None) -> tuple[Path, Card]:
    """Takes an artefact out of such a folder, verified; returns its file and card.

    `out` is the file to write; by default it is only verified and stays where it is.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise HandrailError(f"{folder} is no folder; for a repository of the hub, add --hub")
    if not (folder / MODEL).is_file():
        raise HandrailError(f"{folder} holds no {MODEL}: not a folder that `handrail push` wrote")
    card, _ = load(folder / MODEL)
    if (folder / CONFIG).exists() and not _describes(read_json(folder / CONFIG), card):
        raise HandrailError(
            f"{folder}: {CONFIG} describes something else than {MODEL}; one of them was "
            "replaced. Delete config.json if you trust the model file"
        )
    if out is None:
        return folder / MODEL, card
    with atomic(Path(out)) as path:
        path.write_bytes((folder / MODEL).read_bytes())
    return Path(out), card


def upload(folder: Path, repository: str) -> str:
    """Sends a folder to the hub; returns its address."""
    hub = _hub()
    sent = [*FILES, *(name for name in REPLAYS if (folder / name).exists())]
    with _words(f"cannot send {folder} to {repository!r}"):
        hub.create_repo(repository, exist_ok=True)
        done = hub.upload_folder(repo_id=repository, folder_path=str(folder), allow_patterns=sent)
    return str(done)


def download(repository: str, revision: str | None = None) -> Path:
    """Fetches the files of a repository of the hub; returns their folder."""
    hub = _hub()
    with _words(f"cannot fetch {repository!r} from the hub"):
        found = hub.snapshot_download(repository, revision=revision, allow_patterns=list(FILES))
    return Path(found)


def config(card: Card) -> dict[str, Any]:
    """What `config.json` says: the card."""
    return {"library_name": "handrail", **json.loads(json.dumps(dataclasses.asdict(card)))}


def readme(
    card: Card,
    parameters: int,
    *,
    measured: Mapping[str, Any] | None = None,
    replay: str | None = None,
) -> str:
    """The card in words, below the hub's front matter; what others wrote is shown, never obeyed.

    `measured` and `replay` are as of `push`, the latter as the name of a file beside it.
    """
    spec = _table(card.spec)
    training = _json(card.training, indent=2, sort_keys=True)
    return f"""---
library_name: handrail
pipeline_tag: reinforcement-learning
tags:
- reinforcement-learning
- safe-exploration
- handrail-{card.kind}
---

# {card.kind.capitalize()}

This is {KINDS[card.kind]}. It has {parameters:,} numbers in {MODEL}, written by
handrail {_word(card.library)} (schema {card.schema}).

## What it fits

| | |
|---|---|
{spec}

An environment or a run that does not fit is refused when the file is loaded.
{_tested(measured, replay)}
## How it came about

```json
{training}
```

## Use

```sh
handrail pull THIS_FOLDER --out {card.kind}.safetensors
handrail inspect {card.kind}.safetensors
```

Nothing in these files is executed. SHA-256 of card and arrays: {_word(card.checksum)}.
"""


def _table(entries: Mapping[str, Any]) -> str:
    return "\n".join(f"| {_word(name)} | `{_json(value)}` |" for name, value in entries.items())


def _tested(measured: Mapping[str, Any] | None, replay: str | None) -> str:
    """What a test found, and a recorded episode, as a section; nothing where there are none."""
    if not measured and replay is None:
        return ""
    rows = f"\n| | |\n|---|---|\n{_table(measured)}\n" if measured else ""
    picture = "!" if replay and replay.endswith(".gif") else ""  # Markdown shows no films
    shown = f"\n{picture}[A recorded episode]({replay})\n" if replay else ""
    return f"\n## How it tested\n{rows}{shown}"


def _json(value: Any, **options: Any) -> str:
    """JSON in which nothing means anything to Markdown's code or to HTML."""
    return _MEANT.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, **options))


def _word(text: str) -> str:
    """A name as it is if it is plain, else as code."""
    return text if _PLAIN.fullmatch(text) else f"`{_json(text)}`"


def _describes(said: dict[str, Any], card: Card) -> bool:
    """Whether a `config.json` is that of a card; it may be of the schema the file is in."""
    return said | {"schema": card.schema} == config(card)


def _others(folder: Path) -> list[str]:
    """What is neither the hub's nor ours, such as what a push left that was killed."""
    known = {*FILES, *REPLAYS, ".git", ".gitattributes", ".cache"}
    names = [entry.name for entry in folder.iterdir() if entry.name not in known]
    return sorted(
        name for name in names if not any(is_temporary(name, one) for one in (*FILES, *REPLAYS))
    )


def _hub() -> Any:
    try:
        import huggingface_hub  # pyrefly: ignore[missing-import]
    except ImportError:
        raise HandrailError(
            "the Hugging Face hub needs huggingface_hub: install it with "
            "`pip install 'handrail[hub]'`; plain folders need nothing"
        ) from None
    return huggingface_hub


class _words:
    """Whatever the hub's library raises, in one line."""

    def __init__(self, what: str):
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> None:
        if isinstance(error, Exception) and not isinstance(error, HandrailError):
            raise HandrailError(f"{self._what}: {first_line(error)}") from None
