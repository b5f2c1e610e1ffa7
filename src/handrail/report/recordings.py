"""Recorded episodes of finished runs for a report; what no run has kept is recorded now, once."""

import dataclasses
import logging
from pathlib import Path

from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.experiments.launch import POLICIES
from handrail.experiments.plan import Task
from handrail.report.finished import Finished
from handrail.report.player.older import from_grid
from handrail.train.rollout.recorded import FILE, RecordedEpisode, read_episodes, write_episodes

OLDER = "episode.json"
MOST = 12
"""Episodes on a page: those of navigation have 1,000 steps, some hundred kilobytes each."""
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


def recorded(task: Task) -> list[RecordedEpisode]:
    """The episodes of a finished run: under its intervention, if it has one, and alone."""
    folder = task.folder
    if (folder / FILE).exists():
        return read_episodes(folder / FILE)
    if (folder / OLDER).exists():
        return [from_grid(read_json(folder / OLDER), str(folder / OLDER))]
    policy = folder / POLICIES["last"]
    if not policy.exists():
        return []
    files = {need.kind: need.file for need in task.needs}
    complete = all(map(Path.exists, files.values()))
    episodes = []
    run = task.settings.run
    for shielded in (True, False) if files and complete else (False,):
        episodes += task.family.record(
            run, policy, files if shielded else {}, 1, run.seed, shielded
        )
    write_episodes(folder / FILE, episodes)
    return episodes
