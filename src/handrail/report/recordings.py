"""Recorded episodes of finished runs for a report; what no run has kept is recorded now, once."""

import dataclasses
import logging
from pathlib import Path

from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.experiments.launch import keep_episodes
from handrail.experiments.plan import Task
from handrail.report.finished import Finished
from handrail.report.player.older import from_grid
from handrail.train.rollout.recorded import FILE, RecordedEpisode, read_episodes

OLDER = "episode.json"
MOST = 12
"""Episodes on a page: those of navigation have 1,000 steps, some hundred kilobytes each."""
CAPTION = (
    "Each trained agent alone and, if its method steps in, as it trains. What triggers looked at "
    "stands beside what they compare it with, and vetoes are called justified or needless where "
    "the environment knows. Episodes of one task begin alike: choose a second one to see both."
)
LOG = logging.getLogger(__name__)


def of_experiment(finished: Finished) -> list[RecordedEpisode]:
    """Of the first seed and environment, the episodes of each variant, named after it."""
    found: list[RecordedEpisode] = []
    for row, task in finished.rows:
        first = row.seed == finished.seeds[0]
        if not first or row.environment != finished.experiment.environments[0]:
            continue
        if len(found) >= MOST:
            LOG.info("%s: its episodes are left out, there are %d", row.variant, len(found))
            break
        try:
            episodes = recorded(task)
        except HandrailError as error:  # a report without a player is better than none
            LOG.warning("no recorded episodes of %s: %s", row.variant, error)
            continue
        found += [dataclasses.replace(episode, method=row.variant) for episode in episodes]
    return found


def kept(folder: Path, threshold: float | None = None) -> list[RecordedEpisode]:
    """The episodes that a run's folder holds, of this version or an older one; maybe none.

    `threshold` is what older ones compared `prior_advantage` with. Raises `HandrailError` where
    they cannot be shown.
    """
    if (folder / FILE).exists():
        return read_episodes(folder / FILE)
    path = folder / OLDER
    if not path.exists():
        return []
    episode = read_json(path)
    try:
        return [from_grid(episode, str(path), threshold=threshold)]
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise HandrailError(f"{path} is no recorded episode ({error}); delete it") from None


def recorded(task: Task) -> list[RecordedEpisode]:
    """The episodes of a finished run: under its intervention, if it has one, and alone."""
    run = task.settings.run
    found = kept(task.folder, getattr(getattr(run, "safety", None), "threshold", None))
    files = {need.kind: need.file for need in task.needs}
    return found or keep_episodes(task.folder, task.family, run, files)
