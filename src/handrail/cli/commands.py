"""The command line; those on results and knowledge are in `results` and `share`."""

import sys
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import tyro

from handrail.cli import checks, results, share
from handrail.cli.options import Device, Repeatable, portion_of
from handrail.core.errors import HandrailError
from handrail.core.plain_text import message, plain

DEFAULT = "LavaCrossingS9N1"
app = tyro.extras.SubcommandApp()


@app.command(name="list")
def list_() -> None:
    """Lists environments, methods and experiments."""
    from handrail.cli.listing import show

    show()


@app.command
def reproduce(
    name: Annotated[str, tyro.conf.Positional],
    budget: str = "quick",
    seeds: int | None = None,
    variants: Repeatable = (),
    environments: Repeatable = (),
    jobs: int | None = None,
    vmapped: bool = False,
    out: Path = Path("runs"),
    device: Device = None,
    tensorboard: bool = False,
    wandb: str | None = None,
) -> None:
    """Reproduces a figure or table: runs what is missing, then writes a report.

    Args:
        name: An experiment (see `handrail list`), or an experiment file ending in .toml.
        budget: `quick` for a first impression, `paper` for the published length; some have
            `reduced` in between, and `fresh` on test seeds that nothing was chosen by.
        seeds: Take this many seeds instead of the budget's.
        variants: Run these alone, by the names that the experiment gives them.
        environments: Run in these of the experiment's environments alone.
        jobs: Runs at a time; by default one per usable core.
        vmapped: Compute the seeds of a variant as one program in one process, where they compile.
        out: Folder for runs, knowledge and reports; finished runs in it are not repeated.
        tensorboard: Write event files at OUT/tensorboard (the extra `tracking`).
        wandb: Send the same to this project of Weights & Biases (the extra `wandb`).
    """
    from handrail.cli.reproduce import reproduce as run
    from handrail.core.jax_setup import choose

    choose(device)
    tracker = _tracker(tensorboard, wandb, out)
    path, tables = run(
        name,
        portion_of(budget, seeds, variants, environments),
        jobs=jobs,
        vmapped=vmapped,
        out=out,
        tracker=tracker,
    )
    _show(tables)
    print(f"report: {path}")


@app.command
def sweep(
    name: Annotated[str, tyro.conf.Positional],
    budget: str = "quick",
    seeds: int | None = None,
    variants: Repeatable = (),
    environments: Repeatable = (),
    engine: Literal["local", "ray", "slurm"] = "local",
    address: str = "auto",
    jobs: int | None = None,
    shared: bool = False,
    slurm: Repeatable = (),
    vmapped: bool = False,
    out: Path = Path("runs"),
    device: Device = None,
    tensorboard: bool = False,
    wandb: str | None = None,
) -> None:
    """Runs the rows of an experiment on many machines, collects them, and writes the report.

    Args:
        name: An experiment (see `handrail list`), or an experiment file ending in .toml.
        budget: `quick` for a first impression, `paper` for the published length; some have
            `reduced` in between, and `fresh` on test seeds that nothing was chosen by.
        seeds: Take this many seeds instead of the budget's.
        variants: Run these alone, by the names that the experiment gives them.
        environments: Run in these of the experiment's environments alone.
        engine: Processes of this machine, an existing Ray cluster, or Slurm.
        address: Of the Ray cluster: auto, HOST:PORT or ray://HOST:PORT.
        jobs: Tasks at a time; by default one per core of this machine or of the cluster.
        shared: Every Ray node sees the output folder under the same path.
        slurm: Parameters of the jobs, such as slurm_partition=cpu timeout_min=240.
        vmapped: Compute the seeds of a variant as one program in one process, where they compile.
        out: Folder in which everything is collected; finished runs in it are not repeated.
        tensorboard: Write event files at OUT/tensorboard (the extra `tracking`).
        wandb: Send the same to this project of Weights & Biases (the extra `wandb`).
    """
    from handrail.cli.sweep import sweep as run
    from handrail.core.jax_setup import choose

    choose(device, elsewhere=engine != "local")
    path, tables = run(
        name, portion_of(budget, seeds, variants, environments),
        engine=engine, address=address, jobs=jobs, shared=shared, slurm=tuple(chain(*slurm)),
        vmapped=vmapped, out=out, tracker=_tracker(tensorboard, wandb, out),
    )  # fmt: skip
    _show(tables)
    print(f"report: {path}")


@app.command
def train(
    environment: str = DEFAULT,
    method: str | None = None,
    observation: Literal["symbolic", "pixels"] | None = None,
    knowledge: Literal["one", "many"] | None = None,
    preset: str | None = None,
    seed: int = 123,
    steps: int | None = None,
    prior: Path | None = None,
    encoder: Path | None = None,
    guide: Path | None = None,
    expert: Path | None = None,
    pretrained: Path | None = None,
    acquire: bool = False,
    cost_fn: str | None = None,
    set: Repeatable = (),
    knowledge_folder: Path = Path("runs"),
    out: Path = Path("runs/train"),
    resume: Path | None = None,
    device: Device = None,
    tensorboard: bool = False,
    wandb: str | None = None,
) -> None:
    """Trains one agent; what is interrupted goes on when the command is repeated, or --resumed.

    Args:
        environment: A MiniGrid environment of walls, lava, floor and goals, a navigation or
            velocity task, or your own: MODULE:ID of a registered one, or MODULE:FUNCTION that
            builds it, with --set limit=5.0 for what an episode may cost.
        method: See `handrail list`; full, in navigation and velocity budget-switch.
        observation: What the learner sees; symbolic. Lava only.
        knowledge: Acquire knowledge on one layout (the paper) or on many; many. Lava only.
        preset: recommended (ours) or paper; recommended.
        seed: Seed of the layout and of all else.
        steps: Environment steps; 200,000, in navigation and velocity the published ones.
        prior: Use this prior: a file, or a name of `handrail knowledge list`.
        encoder: Use this encoder, likewise.
        guide: Use this guide, likewise. Navigation only, like the next two.
        expert: Use this expert (method egpo) instead of acquiring one.
        pretrained: Use this pre-trained student (sac-pre, cpo-pre) instead of acquiring one.
        cost_fn: Of your own environment, MODULE:NAME of a function (obs, action, next_obs, info) ->
            cost; by default the environment says its cost.
        acquire: Acquire all knowledge that no file brings, also where the package's would do.
        set: Further settings by name, such as learning.discount=0.97 safety.prior_prob=0.9; those
            of the environment and method are listed below.
        knowledge_folder: Where acquired knowledge is kept and found again.
        out: Folder of this run.
        resume: Go on with the run in this folder, whatever it is; takes no other settings, but for
            --environment of your own, whose code is run.
        tensorboard: Write event files at OUT/tensorboard (the extra `tracking`).
        wandb: Send the same to this project of Weights & Biases (the extra `wandb`).
    """
    from handrail.core.jax_setup import choose

    choose(device)
    settings = {
        "environment": environment,
        "method": method,
        "observation": observation,
        "knowledge": knowledge,
        "preset": preset,
        "seed": seed,
        "steps": steps,
        "cost_fn": cost_fn,
    }
    files = {
        "prior": prior, "encoder": encoder,
        "guide": guide, "expert": expert, "pretrained": pretrained,
    }  # fmt: skip
    named = environment if environment != DEFAULT else None
    if resume is not None:
        from handrail.cli.train import refuse_settings

        kept = {name: value for name, value in settings.items() if name != "environment"}
        refuse_settings({**kept, "acquire": acquire, "set": set, "out": out}, train)
        out = resume
    tracker = _tracker(tensorboard, wandb, out)

    def look() -> None:
        if tracker:
            tracker.try_poll([out])

    if resume is not None:
        from handrail.cli.train import resume as run

        summary = run(
            out, knowledge_folder=knowledge_folder, files=files, environment=named, progress=look
        )
    else:
        from handrail.cli.train import train_one

        summary = train_one(
            settings, assignments=tuple(chain(*set)), files=files,
            knowledge_folder=knowledge_folder, out=out, acquire=acquire, progress=look,
        )  # fmt: skip
    look()
    from handrail.report.console import show_values

    show_values(summary)
    print(f"run: {plain(out)}")
    _leave_report(out)


for command in (*checks.COMMANDS, *results.COMMANDS, *share.COMMANDS):
    app.command(name=command.__name__.replace("_", "-"))(command)


def _leave_report(folder: Path) -> None:
    """Writes the page of a run that has ended and says where it is."""
    from handrail.report.run_page import leave_report

    written = leave_report(folder)
    if written is not None:
        print(f"report: {plain(written)}")


def _show(tables) -> None:
    from handrail.report.console import show

    show(tables)


def _tracker(tensorboard: bool, wandb: str | None, out: Path):
    """What follows runs below `out`, if anything is wanted to."""
    if not tensorboard and wandb is None:
        return None
    from handrail.cli.follow import make_tracker

    return make_tracker(out / "tensorboard" if tensorboard else None, wandb)


def _run() -> None:
    """The command of `sys.argv`; with `train --help` the settings of such a run follow."""
    line = sys.argv[1:]
    try:
        app.cli(prog="handrail", description="Safe exploration by transferring safety knowledge.")
    except SystemExit as ended:
        if line[:1] == ["train"] and {"-h", "--help"} & set(line) and not ended.code:
            from handrail.cli.settings_help import options, show

            show(options(line[1:]))
        raise


def main() -> None:
    """The command of `sys.argv`: a user's mistake is one line and exit code 2."""
    if not sys.argv[1:]:
        from handrail.cli.listing import FIRST

        print(FIRST.format(version=version("handrail")))
        return
    if sys.argv[1:] == ["--version"]:
        print(f"handrail {version('handrail')}")
        return
    try:
        _run()
    except HandrailError as error:
        print(f"handrail: {message(error)}", file=sys.stderr)
        sys.exit(2)
