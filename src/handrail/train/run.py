"""One run in one folder: chunks of a loop, compiled or on the host, tables, checkpoints, a summary.

A run that is started again goes on from its last checkpoint, and a finished one is not
repeated. The bytes of its tables do not depend on where it was interrupted.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.files import atomic, read_json, write_json
from handrail.core.records import (
    EPISODE_COLUMNS,
    EPISODES,
    ONE_OF_SEVERAL,
    PROGRESS,
    GrowingTable,
    read_table,
    sync,
)
from handrail.core.strict_json import plain_json
from handrail.core.versions import record_environment
from handrail.train.checkpoint import (
    chosen_saving,
    clear_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from handrail.train.compiled import Loop, RunState
from handrail.train.course import Chunk, Course, coursed
from handrail.train.evidence import means as evidence_means
from handrail.train.evidence import refuse_outside, steps_not_finite, warn_not_finite
from handrail.train.health import refuse_diverged, symptoms
from handrail.train.health import report as divergence
from handrail.train.loops import AnyLoop
from handrail.train.numbers import name_of, refuse_bad_numbers
from handrail.train.run_folder import claim, owned, refuse_foreign, sweep_leftovers
from handrail.train.step import Record

LOG = logging.getLogger(__name__)
CHUNK_STEPS = 10_000
FINAL_STEPS = 10_000  # window of `final_return`, at the end of the run

Report = Callable[[int, dict[str, float]], None]
Watch = Callable[[int, RunState], None]


@coursed
def execute(
    loop: AnyLoop,
    folder: Path,
    settings: dict[str, Any],
    *,
    seed: int,
    summarise: Callable[[RunState], dict[str, Any]],
    arrays: Callable[[RunState], dict[str, np.ndarray]] = lambda state: {},
    report: Report = lambda step, metrics: None,
    watch: Watch = lambda step, state: None,
    enough: Callable[[int], bool] = lambda step: False,
    chunk_steps: int | None = None,
    checkpoint_seconds: float = 30.0,
) -> Course[dict[str, Any]]:
    """Runs `loop` to its end inside `folder` and returns the summary.

    `settings` says everything that determines the run and is kept as `run.json`; a folder
    that holds a run with other settings is refused, as is one that another process is using.
    `summarise` and `arrays` look at the final state. `watch(step, state)` looks at the state
    after every chunk, once the tables hold it and before a checkpoint of it is written: a run
    that is resumed calls it again for the steps after its checkpoint. The run ends before
    `loop.total` where `enough(step)` says so of what its tables hold by then. With `chunk_steps`, a
    multiple of the agent's block, chunks end at its multiples (and where learning starts);
    without, they are counted from where learning starts. Raises `Diverged` where learning has
    diverged (see `train.health`): the state before that chunk is kept as a checkpoint,
    `diverged.json` says what happened, and the folder is refused from then on. Environment
    variables override `checkpoint_seconds` and how many checkpoints are kept
    (`train.checkpoint`). Steps that are no positive multiple of the agent's block are refused
    before anything is written.
    """
    saving = chosen_saving(checkpoint_seconds)
    _check_steps(loop, chunk_steps)
    if said := unlearnt(loop):
        LOG.warning("%s: %s", folder, said)
    refuse_foreign(folder)
    with owned(folder):
        settings = claim(folder, settings)
        sweep_leftovers(folder)
        if (folder / "summary.json").exists():
            clear_checkpoints(folder)  # a kill may have come before
            return read_json(folder / "summary.json")
        refuse_diverged(folder)
        record_environment(folder)
        signature = json.dumps(settings, sort_keys=True)
        state = loop.init(key=jax.random.key(seed))
        step, wall, state = _resume(folder, state, signature)
        names = loop.environment.constraints
        said = getattr(loop.environment, "info_columns", None)
        columns = (*(ONE_OF_SEVERAL + name for name in names), *(said.columns if said else ()))
        episodes = GrowingTable(folder / EPISODES, (*EPISODE_COLUMNS, *columns))
        progress = GrowingTable(folder / PROGRESS)
        episodes.cut(step)
        progress.cut(step)
        cost = cost_so_far(folder)
        began = saved = time.monotonic()
        warned = begun = False
        for count, learn in _chunks(loop, step, chunk_steps):
            if enough(step):
                break
            chunk = Chunk(loop, folder, step, count, learn, None if begun else state)
            del state  # whoever computes the chunk decides which replays are held
            state, records, metrics, good = (yield chunk).take()
            begun, end = True, step + count * loop.agent.train_every
            refuse_outside(records.outside, end, loop.environment.actions)
            if isinstance(loop, Loop):  # steps on the host have raised at once
                refuse_bad_numbers(records.episode, step, name_of(loop.environment))
            found = symptoms(metrics, state.agent)
            if found:
                if good is None:
                    good = yield from _again(loop, folder, step, seed, signature, chunk_steps)
                spent = wall + time.monotonic() - began
                kept = save_checkpoint(folder, good, step=step, settings=signature, wall=spent)
                before = _last_row(folder)
                raise divergence(folder, found, begin=step, end=end, before=before, kept=kept)
            del good  # its replay is not to be held beside the new one
            means = {name: float(np.mean(values)) for name, values in metrics.items()}
            step = end
            rows = _episode_rows(records, step, names)
            if said and said.names:
                pairs = zip(rows, said.taken(len(rows)), strict=True)
                rows = [row | values for row, values in pairs]
            episodes.add(rows)
            cost += float(np.asarray(records.cost, np.float64).sum())
            measured = means | evidence_means(records.evidence)
            row = _progress_row(loop, state, cost, rows, measured)
            warned = warn_not_finite(row, warned)
            progress.add([row])
            report(step, means)
            watch(step, state)
            if time.monotonic() - saved > saving.seconds:
                spent = wall + time.monotonic() - began
                save_checkpoint(
                    folder, state, step=step, settings=signature, wall=spent, kept=saving.kept
                )
                saved = time.monotonic()
        kept = arrays(state)
        if kept:
            with atomic(folder / "arrays.npz") as path, open(path, "wb") as file:
                np.savez_compressed(file, **kept)  # pyrefly: ignore[bad-argument-type]
        wall += time.monotonic() - began
        summary = _summary(folder, step, state, cost, wall) | summarise(state)
        sync(folder)
        write_json(folder / "summary.json", plain_json(summary))
        clear_checkpoints(folder)
        return read_json(folder / "summary.json")


def cost_so_far(folder: Path) -> float:
    """The undiscounted cost of all steps of a run that its tables hold."""
    if not (folder / PROGRESS).exists():
        return 0.0
    costs = read_table(folder / PROGRESS)["cost"]
    return float(costs[-1]) if costs.size else 0.0


def _resume(folder: Path, state: RunState, signature: str) -> tuple[int, float, RunState]:
    found = load_checkpoint(folder, state, settings=signature)
    return (0, 0.0, state) if found is None else found


def _check_steps(loop: AnyLoop, chunk_steps: int | None) -> None:
    block, total = loop.agent.train_every, loop.total
    if chunk_steps is not None and (chunk_steps < block or chunk_steps % block):
        raise HandrailError(
            f"chunks of {chunk_steps} steps: expected a positive multiple of {block}, "
            "the agent's block"
        )
    if total < block or total % block:
        raise HandrailError(
            f"steps is {total}: expected a positive multiple of {block}, the agent's block"
        )


def unlearnt(loop: AnyLoop) -> str:
    """What is wrong where a run ends before its agent begins to learn; else empty."""
    starts, block = loop.agent.learning_starts, loop.agent.train_every
    if not loop.agent.metrics or starts // block * block < loop.total:
        return ""
    return (
        f"steps is {loop.total:,}, and learning starts after {starts:,}, so nothing is learnt: "
        "train longer, or let learning start earlier (learning_starts)"
    )


def _chunks(loop: AnyLoop, done: int, chunk_steps: int | None = None) -> Iterator[tuple[int, bool]]:
    """(blocks, whether to learn): first up to `learning_starts`, then to the end."""
    block, total = loop.agent.train_every, loop.total
    chunk = max(CHUNK_STEPS // block, 1) * block  # whole blocks, whatever their size
    silent = min(loop.agent.learning_starts // block * block, total)
    if chunk_steps is None:
        ends = [*range(chunk, silent, chunk), silent]
        ends += [*range(silent + chunk, total, chunk), total]
    else:
        ends = sorted({*range(chunk_steps, total, chunk_steps), silent, total})
    begin = done  # not always an end of ours: a checkpoint may be of a version with other chunks
    for end in ends:
        if end > begin:
            yield (end - begin) // block, begin >= silent
            begin = end


def _episode_rows(
    records: Record, end: int, constraints: tuple[str, ...]
) -> list[dict[str, float]]:
    ended = np.flatnonzero(np.asarray(records.ended))
    first = end - len(records.ended) + 1
    episode = jax.tree.map(lambda x: np.asarray(x)[ended], records.episode)
    columns = (first + ended, episode.reward, episode.cost, episode.steps, episode.interventions)
    rows = [
        dict(zip(EPISODE_COLUMNS, (int(s), float(r), float(c), int(n), int(i)), strict=True))
        for s, r, c, n, i in zip(*columns, strict=True)
    ]
    for index, name in enumerate(constraints):
        for row, costs in zip(rows, episode.constraints, strict=True):
            row[ONE_OF_SEVERAL + name] = float(costs[index])
    return rows


def _progress_row(loop: AnyLoop, state: RunState, cost: float, rows, means) -> dict[str, float]:
    """Totals since the beginning of the run, and the means of this chunk: metrics, evidence."""
    learning = dict.fromkeys(loop.agent.metrics, float("nan")) | means
    return {
        "step": int(state.progress.step),
        "episodes": int(state.progress.episode),
        "cost": cost,
        "interventions": int(state.progress.interventions),
        "mean_return": float(np.mean([row["return"] for row in rows])) if rows else float("nan"),
        **learning,
    }


def _again(
    loop: AnyLoop, folder: Path, step: int, seed: int, signature: str, chunk_steps: int | None
) -> Course[RunState]:
    """The state at `step` once more, from the last checkpoint: where it has been used up."""
    done, _, state = _resume(folder, loop.init(key=jax.random.key(seed)), signature)
    begun = False
    for count, learn in _chunks(loop, done, chunk_steps):
        if done >= step:
            break
        chunk = Chunk(loop, folder, done, count, learn, None if begun else state)
        state, *_ = (yield chunk).take()
        begun, done = True, done + count * loop.agent.train_every
    return state


def _last_row(folder: Path) -> dict[str, float]:
    """The last chunk that was recorded."""
    if not (folder / PROGRESS).exists():
        return {}
    return {
        name: float(values[-1])
        for name, values in read_table(folder / PROGRESS).items()
        if values.size
    }


def _summary(folder: Path, steps: int, state: RunState, cost: float, wall: float) -> dict[str, Any]:
    table = read_table(folder / EPISODES)
    late = table["step"] > steps - FINAL_STEPS
    return {
        "steps": steps,
        "episodes": len(late),
        "final_return": float(table["return"][late].mean()) if late.any() else None,
        "violations": cost,
        "intervention_rate": int(state.progress.interventions) / steps,
        "wall_s": round(wall, 2),
    } | steps_not_finite(folder)
