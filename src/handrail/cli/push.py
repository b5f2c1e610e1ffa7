"""What `handrail push` does with a file, or with a finished run: test, film, and write the card."""

import sys
import tempfile
from pathlib import Path

from handrail import hub
from handrail.cli.evaluate import evaluate
from handrail.cli.own_runs import read_own
from handrail.cli.record import Asked, VideoLook, record
from handrail.core.errors import HandrailError
from handrail.core.plain_text import message
from handrail.experiments.launch import Which, policy_file
from handrail.report.player.video import check_ending


def push(
    file: Path,
    folder: Path,
    *,
    episodes: int,
    which: Which = "last",
    environment: str | None = None,
    cost_fn: str | None = None,
) -> Path:
    """Writes an artefact, or the policy of a run's folder, into a folder; returns that.

    The policy of a run is evaluated before, and an episode of it recorded; the README shows both.

    Args:
        file: the artefact, or the folder of a finished run.
        folder: where to write.
        episodes: of the evaluation of a run.
        which: of a run, its last policy, or the best of those that kept the limit alone.
        environment: of a run in an environment of the user's, as of `evaluate`; also `cost_fn`.

    Raises `HandrailError` where the run is not finished.
    """
    if not file.is_dir():
        return hub.push(file, folder)
    measured = evaluate(
        file, episodes=episodes, seed=0, which=which, environment=environment, cost_fn=cost_fn
    )
    own = read_own(file)
    policy = policy_file(file, which) if own is None else own.policy_file(which)
    asked = Asked(which=which, environment=environment, cost_fn=cost_fn)
    with tempfile.TemporaryDirectory() as beside:
        film = _filmed(file, Path(beside), asked)
        return hub.push(policy, folder, measured=measured, replay=film)


def _filmed(run: Path, folder: Path, asked: Asked) -> Path | None:
    """A video of an episode: MP4, or GIF where no encoder is installed.

    None, after a line that says why, where an episode of the run cannot be shown.
    """
    film = folder / "episode.mp4"
    try:
        check_ending(film)
    except HandrailError:
        film = folder / "episode.gif"
    try:
        record([run], film, asked, VideoLook())
    except HandrailError as error:
        print(f"no video: {message(error)}", file=sys.stderr)
        return None
    return film
