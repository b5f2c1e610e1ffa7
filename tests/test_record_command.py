"""`handrail record`: videos and pages of finished runs, and mistakes in one line."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from handrail.api.discrete import train_dqn
from handrail.cli import commands as cli
from handrail.cli.record import Asked, VideoLook, record
from handrail.core.errors import HandrailError
from handrail.interventions.base import Threshold
from handrail.report.player.pictures import board_of
from handrail.report.player.video import Reel, write_video
from handrail.train.rollout.recorded import RecordedEpisode
from tests.test_evaluate_own import Line, Q

PAINTED, LINE = f"{__name__}:Painted", f"{Line.__module__}:Line"


class Painted(Line):
    """A line that can be seen: its picture is as grey as it is far along."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - gymnasium's

    def __init__(self, render_mode=None):
        super().__init__()
        self.render_mode = render_mode

    def render(self):
        return np.full((30, 40, 3), 200, np.uint8)


@pytest.fixture(scope="module")
def dqn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dqn")
    train_dqn(Painted, folder, steps=40, episode_length=20, evaluation_episodes=2, learning=Q)
    return folder


def test_an_own_environment_is_seen_in_its_frames(dqn, tmp_path, monkeypatch, capsys):
    words = ["record", str(dqn), "--environment", PAINTED, "--episodes", "2"]
    for name in ("two.gif", "two.html"):
        monkeypatch.setattr(sys, "argv", ["handrail", *words, "--out", str(tmp_path / name)])
        cli.main()
    assert "own dqn, alone, episode 2: 20 steps" in capsys.readouterr().out
    with Image.open(tmp_path / "two.gif") as film:
        assert film.n_frames >= 2
        assert film.convert("RGB").getpixel((180, 100)) == pytest.approx((200, 200, 200), abs=4)
    assert "image/webp" in (tmp_path / "two.html").read_text()


def test_frames_and_parts_are_kept(dqn, tmp_path):
    asked = Asked(environment=PAINTED, seed=3)
    (episode,) = record([dqn], tmp_path / "x.html", asked, VideoLook(steps=7))
    assert (episode.kind, episode.steps, len(episode.frames)) == ("frames", 7, 8)
    assert episode.columns["proposed"].tolist() == episode.columns["action"].tolist()
    assert any(name.startswith("seen/") for name in episode.columns)
    with Image.open(io.BytesIO(episode.frames[0])) as frame:
        assert frame.size == (40, 30)
    (blind,) = record([dqn], tmp_path / "x.html", Asked(environment=LINE), VideoLook())
    assert blind.frames == ()
    with pytest.raises(HandrailError, match="rendered no frames"):
        record([dqn], tmp_path / "x.gif", Asked(environment=LINE), VideoLook())


@pytest.mark.parametrize(
    ("out", "asked", "look", "message"),
    [
        ("x.avi", Asked(), VideoLook(), "ends in .mp4, .gif or .html"),
        ("x.gif", Asked(), VideoLook(width=5), "width is 5"),
        ("x.gif", Asked(), VideoLook(every=0), "every is 0"),
        ("x.gif", Asked(), VideoLook(titles=("a", "b")), "2 titles, expected 1"),
        ("x.gif", Asked(episodes=0), VideoLook(), "episodes is 0"),
        ("x.gif", Asked(environment=PAINTED, shielded=True), VideoLook(), "leave --shielded out"),
        ("x.gif", Asked(environment=PAINTED), VideoLook(camera="3d"), "3d is for navigation"),
    ],
)
def test_mistakes_are_one_line(dqn, tmp_path, out, asked, look, message):
    with pytest.raises(HandrailError, match=message) as raised:
        record([dqn], tmp_path / out, asked, look)
    assert "\n" not in str(raised.value)


def test_without_an_encoder_there_is_a_line_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(HandrailError, match=r"pip install 'handrail\[video\]'"):
        record([tmp_path], tmp_path / "x.mp4", Asked(), VideoLook())


def moving(n=6):
    along = np.linspace(-1.5, 1.5, n + 1)
    columns = {
        "reward": np.zeros(n), "cost": np.zeros(n), "intervened": np.arange(n) > 3,
        "state/robot": np.stack([along, 0 * along, 0 * along], axis=1),
        "state/goal": np.full((n + 1, 2), 1.0),
    }  # fmt: skip
    scene = {"extent": 2.0, "robot": "point", "hazards": [[-1.0, -1.0]], "hazard_size": 0.3,
             "vase_size": 0.1, "goal_radius": 0.3}  # fmt: skip
    return RecordedEpisode(
        "navigation", "somewhere", 0, columns, method="mine", shielded=True, scene=scene,
        thresholds=(Threshold("predicted_cost", 1.0, "above"),), acts="the guide",
    )  # fmt: skip


def test_a_robot_is_painted_where_it_is():
    board, reach, size = board_of(moving(), 200), 1.12 * 2.0, 200
    for state, colour in ((0, (31, 41, 51)), (5, (196, 81, 0))):  # ink; as one that was stopped
        x = moving().columns["state/robot"][state, 0]
        at = (round((x + reach) / (2 * reach) * size), size // 2)
        assert board(state).getpixel(at) == pytest.approx(colour, abs=8)


def test_mp4_is_written_by_an_encoder_of_its_own(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    episode = moving()
    reel = Reel([[(episode, board_of(episode, 100), "t")] * 2], size=100, every=2, fps=10)
    write_video(tmp_path / "x.mp4", reel)
    assert (tmp_path / "x.mp4").read_bytes()[4:8] == b"ftyp" and len(reel) == 3 + 12
