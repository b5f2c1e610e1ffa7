"""The commands on what has been computed, which `handrail.cli.commands` registers."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from handrail.core.errors import HandrailError
from handrail.core.plain_text import plain

Device = Annotated[
    str | None,
    tyro.conf.arg(
        help="Where to compute: cpu, gpu, gpu:1, …; by default HANDRAIL_DEVICE, else cpu."
    ),
]


def evaluate(
    run: Annotated[Path, tyro.conf.Positional],
    episodes: int = 10,
    seed: int = 0,
    policy: Literal["last", "best"] = "last",
    environment: str | None = None,
    cost_fn: str | None = None,
    episode_length: int | None = None,
    device: Device = None,
) -> None:
    """Runs the policy of a finished run by itself, without intervention.

    A lava agent and a DQN act greedily; students and guides sample, as the paper tests them.

    Args:
        run: Folder of a finished run.
        episodes: Whole episodes to run.
        seed: Seed of the evaluation.
        policy: The last one, or the best of those that kept the limit alone in a test.
        environment: Of a run in your own environment: MODULE:ID of a registered one, or
            MODULE:FUNCTION that builds it; by default the id that the run was given.
        cost_fn: MODULE:NAME of your cost function (obs, action, next_obs, info) -> cost.
        episode_length: Time limit in steps, in your own environment; by default the run's.
    """
    from handrail.core.jax_setup import choose

    choose(device)
    from handrail.cli.evaluate import evaluate as evaluate_one

    found = evaluate_one(
        run, episodes=episodes, seed=seed, which=policy, environment=environment, cost_fn=cost_fn,
        episode_length=episode_length,
    )  # fmt: skip
    for key, value in found.items():
        print(f"{plain(key):24} {plain(value)}")


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
        shipped.list_shipped()
    else:
        shipped.show_shipped(name)


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("compare.png"),
) -> None:
    """Shows runs side by side: what came out, the settings that differ, curves in a PNG.

    Args:
        runs: Folders of runs, finished or going on.
        out: The figure.
    """
    from handrail.report.compare import compare as run
    from handrail.report.console import show

    show(run(runs, out))
    print(f"figure: {out}")


def tensorboard(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    logdir: Path = Path("runs/tensorboard"),
    follow: bool = False,
    wandb: str | None = None,
) -> None:
    """Writes TensorBoard event files of runs, finished or going on.

    Args:
        runs: Folders of runs, or folders with runs below them.
        logdir: Where event files go; show them with `tensorboard --logdir`.
        follow: Go on until all runs have finished.
        wandb: Send the same to this project of Weights & Biases.
    """
    from handrail.cli.follow import show

    if not runs:
        raise HandrailError("no run named; expected folders of runs")
    folders = show(runs, logdir=logdir, project=wandb, follow=follow)
    print(f"{len(folders)} runs: tensorboard --logdir {logdir}")


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


COMMANDS = (evaluate, inspect, knowledge, compare, tensorboard, push, pull)
