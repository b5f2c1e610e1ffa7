"""Commands on knowledge: look into a file, list what ships, write and read folders to share."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from handrail.cli.options import Device
from handrail.core.errors import HandrailError


def inspect(file: Annotated[Path, tyro.conf.Positional]) -> None:
    """Shows what a saved policy, prior, encoder or guide is: its card and its arrays.

    Args:
        file: An artefact (.safetensors) written by handrail.
    """
    from handrail.core.artifact import load
    from handrail.report.cards import show

    show(*load(file))


def knowledge(
    action: Annotated[Literal["list", "show", "make"], tyro.conf.Positional] = "list",
    name: Annotated[str, tyro.conf.Positional] = "all",
    out: Path = Path("runs/shipped"),
    knowledge_folder: Path = Path("runs"),
    device: Device = None,
) -> None:
    """Shows the guides, priors and encoders that ship with handrail, or makes them anew.

    Args:
        action: `list` them with measured cost and shield test, `show` what a card says, or `make`
            a file again from its settings: train, measure, write.
        name: As `list` says; all.
        out: Folder for the files that are made.
        knowledge_folder: Where trainings are kept and found again.
    """
    from handrail.cli import knowledge as shipped

    if action == "make":
        from handrail.core.jax_setup import choose

        choose(device)
        from handrail.cli.make_knowledge import make_knowledge

        for path in make_knowledge(name, out, knowledge_folder):
            print(path)
    elif action == "list":
        shipped.list_shipped(name)
    else:
        shipped.show_shipped(name)


def push(
    file: Annotated[Path, tyro.conf.Positional],
    target: Annotated[str, tyro.conf.Positional],
    hub: bool = False,
    episodes: int = 10,
    policy: Literal["last", "best"] = "last",
    environment: str | None = None,
    cost_fn: str | None = None,
) -> None:
    """Writes saved knowledge into a folder that the Hugging Face hub understands.

    Args:
        file: A prior, encoder, guide or policy (.safetensors); or the folder of a finished run,
            whose policy is tested and filmed first.
        target: The folder; with --hub a repository, such as name/prior.
        hub: Send it to the hub (the extra `hub`; your token as huggingface_hub finds it).
        episodes: Of the test of a run.
        policy: Of a run: the last one, or the best of those that kept the limit alone in a test.
        environment: Of a run in your own environment, as of `handrail evaluate`.
        cost_fn: Likewise.
    """
    import tempfile

    from handrail.cli.push import push as run
    from handrail.hub import upload

    tested = {"episodes": episodes, "which": policy, "environment": environment, "cost_fn": cost_fn}
    if not hub:
        print(f"folder: {run(file, Path(target), **tested)}")
        return
    with tempfile.TemporaryDirectory() as folder:
        print(f"repository: {upload(run(file, Path(folder) / 'model', **tested), target)}")


def pull(
    source: Annotated[str, tyro.conf.Positional],
    out: Path | None = None,
    hub: bool = False,
    revision: str | None = None,
) -> None:
    """Takes saved knowledge out of such a folder, verified.

    Args:
        source: The folder; with --hub a repository, such as name/prior.
        out: The file to write; by default the kind's name in this folder.
        hub: Fetch it from the hub (the extra `hub`).
        revision: Branch, tag or commit of the repository.
    """
    from handrail.hub import download
    from handrail.hub import pull as run

    if revision is not None and not hub:
        raise HandrailError("--revision belongs to repositories of the hub: add --hub")
    folder = download(source, revision) if hub else Path(source)
    if out is None:
        out = Path(f"{run(folder)[1].kind}.safetensors")
        if out.exists():
            raise HandrailError(f"{out} exists already; name another file with --out")
    path, card = run(folder, out)
    print(f"{card.kind}: {path}")


COMMANDS = (inspect, knowledge, push, pull)
