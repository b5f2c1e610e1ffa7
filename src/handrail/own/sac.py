"""What guides and students on environments of one's own share: the learner, the run, the card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.artifact import Card
from handrail.envs.base import action_size
from handrail.errors import HandrailError
from handrail.methods.sagui.evaluations import CHECKPOINT_SECONDS, chunk_steps
from handrail.methods.sagui.settings import SacSettings
from handrail.own.environments import Host
from handrail.train.host import HostLoop
from handrail.train.run import execute

Report = Callable[[int, int], None]


def run_epochs(
    loop: HostLoop,
    folder: Path,
    settings: dict[str, Any],
    *,
    epoch: int,
    report: Report,
    **options: Any,
) -> dict[str, Any]:
    """Runs the loop in chunks that end where epochs end."""
    return execute(
        loop, folder, settings, chunk_steps=chunk_steps(epoch, loop.agent.block),
        report=lambda step, metrics: report(step, loop.total),
        checkpoint_seconds=CHECKPOINT_SECONDS, **options,
    )  # fmt: skip


def card_of(
    kind: str, host: Host, settings: dict[str, Any], learning: SacSettings, row: Any
) -> Card:
    """What the networks of a run are and fit; `row` is their evaluation."""
    return Card(
        kind=kind,
        spec={
            "parts": settings["parts"],
            "actions": action_size(host.actions),
            "action_bounds": host.action_bounds,
            "view": "named parts",
            "limit": settings["limit"],
            "limit_steps": settings["episode_length"],
            **({"limits": host.limits} if host.limits else {}),
        },
        network={"hidden": list(learning.hidden), "cost_critic": learning.cost_critic},
        training={"task": host.name, "evaluation": row, "settings": settings},
    )


def needs_box(host: Host) -> None:
    """Refuses discrete actions before anything is built."""
    try:
        action_size(host.actions)
    except HandrailError as error:
        raise HandrailError(f"{error}; for discrete actions there is handrail.train_dqn") from None
