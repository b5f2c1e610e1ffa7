"""TensorBoard event files, written without TensorFlow or PyTorch (the extra `tracking`)."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.tracking.base import AbstractSink

MARK = ".handrail"  # at the end of our files' names, which tells them from those of others


class EventFile(AbstractSink):
    """One event file in a folder of its own; an earlier one of ours is replaced.

    The tables of a run are the record and event files a view of it, written anew from the
    beginning whenever a run is followed: nothing appears twice.
    """

    def __init__(self, folder: Path):
        from tensorboardX.event_file_writer import EventsWriter

        try:
            folder.mkdir(parents=True, exist_ok=True)
            for earlier in folder.glob(f"events.out.tfevents.*{MARK}"):
                earlier.unlink()
            self._writer = EventsWriter(str(folder / "events"), MARK)
        except OSError as error:
            raise HandrailError(f"cannot write into {folder}: {error.strerror or error}") from None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds one event that holds all values of the step."""
        # the names that these modules define are made when they are imported
        from tensorboardX.proto.event_pb2 import Event  # pyrefly: ignore
        from tensorboardX.proto.summary_pb2 import Summary  # pyrefly: ignore

        entries = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=entries))
        self._writer.write_event(event)

    def flush(self) -> None:
        """Writes to disk what is still in memory."""
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()


def event_files(logdir: Path):
    """Opens event files at `logdir/<name of the run's folder>`."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise HandrailError(
            "TensorBoard's event files need tensorboardX: install it with "
            "`pip install 'handrail[tracking]'`"
        ) from None

    def open_file(folder: Path, settings: Mapping[str, Any]) -> AbstractSink:
        return EventFile(logdir / folder.resolve().name)

    return open_file
