"""What `handrail` says without a command, and what `handrail list` lists."""

FIRST = """\
handrail {version}: safe exploration by transferring safety knowledge

  handrail list                                    environments, methods, experiments
  handrail reproduce lava-returns --budget quick   a figure of the paper, in minutes
  handrail train --environment LavaCrossingS9N3 --out runs/mine
  handrail watch runs/mine                         its curves while it learns
  handrail evaluate runs/mine --shielded           the policy alone, and with its intervention
  handrail train --environment NAME --method NAME --help    every setting of such a run
  handrail --help                                  all commands

Your own Gymnasium environment: handrail check-env MODULE:ID, then handrail train --environment
MODULE:ID, or handrail.train_student and others in Python (docs/guides/your-environment.md)."""
"""What `handrail` says without a command."""
LISTED = """\
handrail train --environment NAME --method NAME [--help for all settings]
handrail reproduce EXPERIMENT --budget quick
"""


def show() -> None:
    """Prints environments and methods of each family, and the experiments."""
    from rich.console import Console
    from rich.table import Table

    from handrail.experiments.schema import names, read
    from handrail.tasks.registry import FAMILIES

    console = Console(highlight=False)
    console.print(LISTED)
    for family in FAMILIES:
        entries = Table(family.name.capitalize(), "", title_justify="left", box=None)
        entries.add_row("environments", ", ".join(family.environments))
        for name, method in family.methods.items():
            entries.add_row(name, method.summary)
        console.print(entries, "")
    table = Table(title="Experiments (handrail reproduce NAME)", title_justify="left", box=None)
    for column in ("name", "budgets", "question"):
        table.add_column(column, overflow="fold")
    for name in names():
        experiment = read(name)
        table.add_row(name, ", ".join(experiment.budgets), experiment.question)
    console.print(table)
