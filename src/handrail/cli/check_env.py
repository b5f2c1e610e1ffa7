"""What `handrail check-env` does: finds the environment, checks it, and prints what to fix."""

from handrail.envs.conformance import check_environment
from handrail.envs.finding import Finding
from handrail.envs.gymnasium.named import attribute, factory

MARKS = {"ok": "[green]✓[/green]", "wrong": "[red]✗[/red]", "note": "[yellow]![/yellow]"}


def check_env(target: str, *, cost_fn: str | None, steps: int, seed: int) -> bool:
    """Prints the findings; whether nothing is wrong."""
    make = factory(target)
    cost = None if cost_fn is None else attribute(cost_fn, "--cost-fn")
    findings = check_environment(make, cost=cost, steps=steps, seed=seed)
    show(target, findings)
    return all(finding.status != "wrong" for finding in findings)


def show(target: str, findings: list[Finding]) -> None:
    """The findings as a list, and what they come to."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"check-env {escape(target)}", title_justify="left", box=None)
    table.add_column()
    table.add_column("rule", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for finding in findings:
        table.add_row(MARKS[finding.status], finding.rule, escape(finding.message))
    console = Console()
    console.print(table)
    wrong = sum(finding.status == "wrong" for finding in findings)
    console.print(
        f"{wrong} to fix" if wrong else "nothing to fix", style="red" if wrong else "green"
    )
