"""Runs as others see them: every row once, under the names that other tools use."""

import collections
import json
import struct
import sys
import types

import pytest

from handrail.cli.follow import make_tracker, seldom, show
from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS, GrowingTable
from handrail.tracking import tags
from handrail.tracking.base import AbstractSink
from handrail.tracking.tail import Tail
from handrail.tracking.tracker import Tracker, run_folders

PROGRESS = ("step", "episodes", "cost", "interventions", "mean_return", "losses/td")


class Noted(AbstractSink):
    """Keeps what it is given, by tag: (step, value)."""

    def __init__(self):
        self.points, self.flushed, self.closed = collections.defaultdict(list), 0, 0

    def scalars(self, step, values):
        for tag, value in values.items():
            self.points[tag].append((step, value))

    def flush(self):
        self.flushed += 1

    def close(self):
        self.closed += 1


class Run:
    """A run folder that grows when it is told to."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "run.json").write_text('{"run": {"seed": 7}}')
        self.episodes = GrowingTable(folder / "episodes.csv", EPISODE_COLUMNS)
        self.progress = GrowingTable(folder / "progress.csv")

    def chunk(self, end, *, loss=float("nan"), cost=0.0, interventions=0):
        half = end - 50
        self.episodes.add([dict(zip(EPISODE_COLUMNS, (half, 0.5, 1.0, 50, 2), strict=True))])
        self.progress.add(
            [dict(zip(PROGRESS, (end, end // 50, cost, interventions, 0.5, loss), strict=True))]
        )

    def finish(self, steps, wall):
        (self.folder / "summary.json").write_text(json.dumps({"steps": steps, "wall_s": wall}))


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


@pytest.fixture
def followed():
    """A tracker with a clock that is set by hand, and the sinks it has opened."""
    sinks, now = [], [0.0]
    tracker = Tracker(
        [lambda folder, settings: sinks.append(Noted()) or sinks[-1]], clock=lambda: now[0]
    )
    return tracker, sinks, now


def test_every_number_has_the_name_that_others_use(run, followed):
    tracker, sinks, _ = followed
    run.chunk(100, cost=3.0, interventions=10)
    run.chunk(200, cost=4.0, interventions=40, loss=0.25)
    run.finish(200, 4.0)
    tracker.poll([run.folder])
    assert dict(sinks[0].points) == {
        "charts/episodic_return": [(50, 0.5), (150, 0.5)],
        "charts/episodic_cost": [(50, 1.0), (150, 1.0)],
        "charts/episodic_length": [(50, 50.0), (150, 50.0)],
        "safety/episodic_interventions": [(50, 2.0), (150, 2.0)],
        "charts/episodes": [(100, 2.0), (200, 4.0)],
        "safety/cumulative_cost": [(100, 3.0), (200, 4.0)],
        "safety/intervention_rate": [(100, 0.1), (200, 0.3)],
        "losses/td": [(200, 0.25)],
        "charts/SPS": [(200, 50.0)],
    }
    assert sinks[0].closed == 1
    assert tracker.all_ended([run.folder])
    tracker.poll([run.folder])
    tracker.close()
    assert sinks[0].closed == 1


def test_a_growing_run_is_followed_row_by_row(run, followed):
    tracker, sinks, now = followed
    other = run.folder.with_name("not begun")
    for number in range(1, 4):
        tracker.poll([run.folder, other])
        run.chunk(100 * number)
        now[0] += 2.0
    tracker.poll([run.folder, other])
    assert sinks[0].points["charts/episodes"] == [(100, 2.0), (200, 4.0), (300, 6.0)]
    assert sinks[0].points["charts/SPS"] == [(200, 50.0), (300, 50.0)], "two rows make a speed"
    assert not tracker.all_ended([run.folder, other])
    run.finish(300, 1.0)
    tracker.poll([run.folder])
    assert sinks[0].points["charts/SPS"][-1] == (300, 50.0), "what was measured stays"
    assert len(sinks) == 1


def test_a_run_that_is_cut_back_gives_no_row_twice(run, followed):
    tracker, sinks, _ = followed
    for end in (100, 200, 300):
        run.chunk(end)
    tracker.poll([run.folder])
    run.episodes.cut(100)
    run.progress.cut(100)
    tracker.poll([run.folder])
    for end in (200, 300, 400):
        run.chunk(end)
        tracker.poll([run.folder])
    steps = [step for step, _ in sinks[0].points["charts/episodes"]]
    assert steps == [100, 200, 300, 400]
    assert [s for s, _ in sinks[0].points["charts/episodic_return"]] == [50, 150, 250, 350]


def test_half_a_row_waits_for_its_other_half(tmp_path):
    path = tmp_path / "t.csv"
    tail = Tail(path)
    assert tail.rows() == []
    path.write_text("step,re")
    assert tail.rows() == []
    path.write_text("step,return\n10,0.5\n2")
    assert tail.rows() == [{"step": 10.0, "return": 0.5}]
    path.write_text("step,return\n10,0.5\n20,\n30,nan\n40,x\n50\n")
    assert tail.rows() == [{"step": 20.0}, {"step": 30.0}, {"step": 40.0}], "no number, no point"
    path.write_text("step,return\n10,0.51234567\n60,1.0\n")
    assert tail.rows() == [{"step": 60.0, "return": 1.0}], "other bytes: read anew"


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("losses/td", "losses/td"),
        ("sac/actor_loss", "losses/actor_loss"),
        ("autoencoder/loss", "losses/autoencoder"),
        ("sac/multiplier", "sac/multiplier"),
    ],
)
def test_losses_are_among_losses(name, tag):
    assert tags.of_metric(name) == tag


def test_each_of_several_costs_has_a_tag():
    row = {"step": 5, "return": 1.0, "cost": 2.0, "cost.heat": 3.0, "costume": 4.0}
    assert tags.of_episode(row) == {
        "charts/episodic_return": 1.0, "charts/episodic_cost": 2.0,
        "charts/episodic_cost/heat": 3.0,
    }  # fmt: skip


def events(folder):
    """Every scalar of the event files in a folder, by tag; checks lengths and check sums."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    def masked(data):
        value = crc32c(data)
        return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF

    points = collections.defaultdict(list)
    files = list(folder.glob("events.out.tfevents.*"))
    for file in files:
        raw, at = file.read_bytes(), 0
        while at < len(raw):
            (length,) = struct.unpack_from("<Q", raw, at)
            data = raw[at + 12 : at + 12 + length]
            sums = (
                struct.unpack_from("<I", raw, at + 8)[0],
                struct.unpack_from("<I", raw, at + 12 + length)[0],
            )
            assert sums == (masked(raw[at : at + 8]), masked(data))
            event = Event.FromString(data)
            for value in event.summary.value:
                points[value.tag].append((event.step, value.simple_value))
            at += length + 16
    return dict(points), len(files)


def test_event_files_hold_every_point_once_however_often_they_are_written(run, tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra 'tracking' is not installed")
    logdir = tmp_path / "logs"
    (logdir / "run").mkdir(parents=True)
    (logdir / "run" / "events.out.tfevents.1.mine").write_bytes(b"")
    run.chunk(100, cost=3.0)
    assert show([run.folder], logdir=logdir) == [run.folder]
    run.chunk(200, cost=4.0, loss=0.5)
    run.finish(200, 1.0)
    show([tmp_path], logdir=logdir)
    points, files = events(logdir / "run")
    assert files == 2, "that of somebody else stays"
    assert points["safety/cumulative_cost"] == [(100, 3.0), (200, 4.0)]
    assert points["losses/td"] == [(200, 0.5)]
    assert points["charts/episodic_return"] == [(50, 0.5), (150, 0.5)]


def test_following_goes_on_until_the_run_has_finished(run, tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra 'tracking' is not installed")
    waited = []

    def wait(seconds):
        waited.append(seconds)
        run.chunk(100 * len(waited))
        if len(waited) == 3:
            run.finish(300, 1.0)

    show([run.folder], logdir=tmp_path / "logs", follow=True, wait=wait)
    assert len(waited) == 3
    points, _ = events(tmp_path / "logs" / "run")
    assert [step for step, _ in points["charts/episodes"]] == [100, 200, 300]


def test_a_sink_that_fails_does_not_stop_the_training(run, caplog):
    def opened(folder, settings):
        raise OSError("no network")

    tracker = Tracker([opened])
    tracker.try_poll([run.folder])
    tracker.try_poll([run.folder])
    assert caplog.text.count("no network") == 1 and "training goes on" in caplog.text
    with pytest.raises(OSError, match="no network"):
        Tracker([opened]).poll([run.folder])  # of a command that does nothing else


def test_runs_of_one_name_are_not_mixed_up(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra 'tracking' is not installed")
    Run(tmp_path / "a" / "run"), Run(tmp_path / "b" / "run")
    with pytest.raises(HandrailError, match="have the same name"):
        show([tmp_path], logdir=tmp_path / "logs")


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(HandrailError, match="holds no run"):
        run_folders([tmp_path])


@pytest.mark.parametrize(
    ("module", "options", "extra"),
    [("tensorboardX", ("logs", None), "tracking"), ("wandb", (None, "project"), "wandb")],
)
def test_a_missing_extra_is_one_clear_error(monkeypatch, tmp_path, module, options, extra):
    monkeypatch.setitem(sys.modules, module, None)
    logdir, project = options
    with pytest.raises(HandrailError, match=rf"pip install 'handrail\[{extra}\]'"):
        make_tracker(logdir and tmp_path / logdir, project)


def test_weights_and_biases_goes_on_with_the_same_run(run, monkeypatch):
    """A module of ours takes its place: no account, no network."""
    begun, logged = [], []

    class Remote:
        def __init__(self, options):
            begun.append(options)
            self.summary = {"global_step": logged[-1]["global_step"]} if logged else {}
            self.metrics = []

        def define_metric(self, *names, **options):
            self.metrics.append((names, options))

        def log(self, values):
            assert self.metrics == [
                (("global_step",), {}),
                (("*",), {"step_metric": "global_step"}),
            ]
            logged.append(values)

        def finish(self):
            logged.append({"global_step": logged[-1]["global_step"], "finished": True})

    fake = types.SimpleNamespace(init=lambda **options: Remote(options))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    run.chunk(100, cost=3.0)
    first = make_tracker(None, "safe")
    first.poll([run.folder])
    first.close()
    run.chunk(200, cost=4.0)
    make_tracker(None, "safe").poll([run.folder])
    assert begun[0]["id"] == begun[1]["id"]
    assert (begun[0]["project"], begun[0]["resume"]) == ("safe", "allow")
    assert begun[0]["config"] == {"run": {"seed": 7}}
    costs = [(one["global_step"], one["safety/cumulative_cost"])
             for one in logged if "safety/cumulative_cost" in one]  # fmt: skip
    assert costs == [(100, 3.0), (200, 4.0)], "no point twice"


def test_an_action_is_not_done_more_often_than_it_should():
    now, done = [0.0], []
    look = seldom(lambda: done.append(now[0]), clock=lambda: now[0])
    for at in (0.0, 0.5, 1.9, 2.0, 3.0, 4.5):
        now[0] = at
        look()
    assert done == [0.0, 2.0, 4.5]


def _folder_for_a_table(run):
    (run.folder / "progress.csv").unlink(missing_ok=True)
    (run.folder / "progress.csv").mkdir()


def _cell_of_a_megabyte(run):
    (run.folder / "progress.csv").write_text(f"step,x\n1,{'9' * 10**6}\n")


def _settings_that_are_none(run):
    (run.folder / "run.json").write_text("[1]")


def _summary_that_is_none(run):
    (run.folder / "summary.json").write_text("7")


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (_folder_for_a_table, "cannot read .*progress.csv"),
        (_cell_of_a_megabyte, "progress.csv is damaged"),
        (_settings_that_are_none, "run.json is damaged"),
        (_summary_that_is_none, "summary.json is damaged"),
    ],
)
def test_what_cannot_be_read_is_named(damage, text, run, followed):
    damage(run)
    with pytest.raises(HandrailError, match=text):
        followed[0].poll([run.folder])


def test_numbers_that_are_none_are_no_points(run, followed):
    (run.folder / "progress.csv").write_text("step,cost\n1e300,1\n5,2\n")
    run.finish("many", {})
    followed[0].poll([run.folder])
    assert followed[1][0].points["safety/cumulative_cost"] == [(5, 2.0)]
    assert "charts/SPS" not in followed[1][0].points
