"""One look for every figure: fixed colours per method, readable without colour vision.

Matplotlib is imported inside the functions, because importing handrail must stay light, and
its object interface is used throughout: no global state, nothing to close.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1F2933"
MUTED = "#616E7C"
GRID = "#DDE3EA"
SAFE = "#0072B2"
UNSAFE = "#D55E00"

# What a colour is on a dark page: as far apart, and bright enough to read.
DARK = {
    "#0072b2": "#4c9be8", "#4a5560": "#a9b4bf", "#d55e00": "#ff8a3d", "#e69f00": "#f2b632",
    "#009e73": "#2fcb9a", "#cc79a7": "#e59bc4", "#56b4e9": "#9adcff", "#8a6d00": "#c9a52b",
    "#6a3d9a": "#b08ae0", "#999933": "#c5c55a",
    INK.lower(): "#e4e9ee", MUTED.lower(): "#a3b0bd", GRID.lower(): "#36414c",
    "#ffffff": "#1d242c", "#000000": "#e4e9ee",
}  # fmt: skip
SIGNS = {
    "o": "●", "s": "■", "v": "▼", "^": "▲", "D": "◆",
    "P": "✚", "X": "✖", "<": "◀", "p": "★", "h": "⬢",
}  # fmt: skip
"""Markers as characters, for the legends of pages."""
BELOW_ZERO = -0.12
"""Where a logarithmic axis of counts begins whose lines may lie at 0."""
DIGEST = "Data-SHA-256"
"""The name, in a PNG, of the digest of what it was drawn from."""

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "handrail",
}


@dataclass(frozen=True)
class Look:
    """How a method appears in every figure."""

    label: str
    color: str
    marker: str

    @property
    def dark(self) -> str:
        """The colour on a dark page."""
        return DARK.get(self.color.lower(), self.color)


# The palette of Okabe and Ito, which stays apart under the common kinds of colour blindness,
# and a marker each, so that no figure relies on colour alone.
KNOWN: dict[str, Look] = {
    "full": Look("full method", "#0072B2", "o"),
    "dqn": Look("DQN", "#4A5560", "s"),
    "priors-0.95": Look("domain prior, ρ = 0.95", "#D55E00", "v"),
    "priors-0.5": Look("domain prior, ρ = 0.5", "#E69F00", "^"),
    "ae": Look("DQN + auto-encoder", "#009E73", "D"),
    "vae": Look("DQN + VAE", "#CC79A7", "P"),
    "recommended": Look("recommended preset", "#56B4E9", "X"),
    "control-switch": Look("SaGui, control-switch", "#0072B2", "o"),
    "linear-decay": Look("SaGui, linear-decay", "#56B4E9", "^"),
    "scratch": Look("SAC-Lagrangian from scratch", "#4A5560", "s"),
    "sac-lagrangian": Look("SAC-Lagrangian from scratch", "#4A5560", "s"),
    "pretrained": Look("SAC-Lagrangian pre-trained", "#009E73", "D"),
    "cpo": Look("CPO", "#8A6D00", "<"),
    "cpo-pre": Look("CPO pre-trained", "#6A3D9A", "p"),
    "ppo-lagrangian": Look("PPO-Lagrangian", "#999933", "h"),
    "egpo": Look("EGPO", "#D55E00", "v"),
    "budget-switch": Look("budget-switch", "#CC79A7", "P"),
    "sum-switch": Look("sum-switch", "#E69F00", "X"),
}
_SPARE = (
    ("#0072B2", "o"),
    ("#D55E00", "v"),
    ("#009E73", "D"),
    ("#CC79A7", "P"),
    ("#E69F00", "^"),
    ("#56B4E9", "X"),
    ("#4A5560", "s"),
    ("#8A6D00", "<"),
    ("#6A3D9A", "p"),
    ("#999933", "h"),
)
# Lap after lap, every colour with another marker: the first lap is `_SPARE` itself.
_PAIRS = [
    (color, _SPARE[(place + lap) % len(_SPARE)][1])
    for lap in range(len(_SPARE))
    for place, (color, _) in enumerate(_SPARE)
]


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each name: its own if it is known, else a spare one not yet in the figure.

    Names are matched without regard to case; `-` and `_` are the same. "METHOD, and more" looks
    like METHOD where nothing else in the figure does. A known look whose colour an earlier name of
    this figure has taken gives way as well. Where there are more names than colours, no two have
    both colour and marker in common.
    """
    names = list(dict.fromkeys(names))
    chosen: dict[str, Look] = {}
    for key in (_exact, _method):
        for name in names:
            known = KNOWN.get(key(name))
            taken = {look.color for look in chosen.values()}
            if name not in chosen and known and known.color not in taken:
                label = known.label if key is _exact else name
                chosen[name] = Look(label, known.color, known.marker)
    taken = {look.color for look in chosen.values()}
    used = {(look.color, look.marker) for look in chosen.values()}
    for number, name in enumerate(name for name in names if name not in chosen):
        free = [pair for pair in _PAIRS if pair not in used] or [_PAIRS[number % len(_PAIRS)]]
        color, marker = next((pair for pair in free if pair[0] not in taken), free[0])
        known = KNOWN.get(_exact(name))
        chosen[name] = Look(known.label if known else name, color, marker)
        taken.add(color)
        used.add((color, marker))
    return {name: chosen[name] for name in names}


def _exact(name: str) -> str:
    return name.lower().replace("_", "-")


def _method(name: str) -> str:
    """What a name says before its first comma or bracket."""
    return _exact(name).split(",")[0].split("(")[0].strip()


def canvas(rows: int, columns: int, *, width: float, height: float, **options: Any):
    """A figure and its axes `(rows, columns)`, each panel `width` × `height` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def short(value: float, _position: int | None = None) -> str:
    """A number of steps as people say it: 50k, 1.5M."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def steps_axis(axes: "Axes") -> None:
    """Labels the horizontal axis in environment steps."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(short))


def log_axis(axes: "Axes", *, bottom: float = BELOW_ZERO) -> None:
    """A vertical axis for counts: 0, then 1, 10, 100 at equal distances, with room on top, and
    from `bottom` on, so that a line at 0 is seen.
    """
    from matplotlib.ticker import FuncFormatter

    top = max(axes.dataLim.y1, 1.0)
    axes.set_yscale("symlog", linthresh=1, linscale=0.5)
    axes.set_ylim(bottom, top * 1.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def legend(figure: "Figure", handles: list, columns: int = 4) -> None:
    """One legend for all panels, above them, in as many columns as the figure has room for."""
    most = max(1, min(columns, len(handles)))
    for ncols in (*range(most, 0, -1), most):  # where none fits, as many as were asked for
        while figure.legends:
            figure.legends[0].remove()
        drawn = figure.legend(
            handles=handles,
            loc="outside upper center",
            ncols=ncols,
            handlelength=2.2,
            columnspacing=1.6,
        )
        box = drawn.get_window_extent()
        if box.width <= figure.bbox.width and box.height <= figure.bbox.height / 3:
            return


def png(figure: "Figure", dpi: int = 160, *, digest: str = "") -> bytes:
    """The figure as PNG bytes; the same figure always gives the same bytes. It carries the digest
    of its data, if there is one.
    """
    buffer = io.BytesIO()
    metadata = {"Software": None} | ({DIGEST: digest} if digest else {})
    figure.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def vector(figure: "Figure", format: str) -> bytes:
    """The figure as PDF or SVG bytes, for papers and slides; the same figure, the same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    undated = {"pdf": "CreationDate", "svg": "Date"}[format]
    with matplotlib.rc_context({"svg.hashsalt": "handrail", "svg.fonttype": "none"}):
        figure.savefig(buffer, format=format, metadata={undated: None})
    return buffer.getvalue()


def in_the_dark(figure: "Figure") -> bytes:
    """The figure as PNG bytes for a dark page: every colour of ours as `DARK` has it.

    The figure itself is recoloured, so this comes last.
    """
    for artist in figure.findobj():
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            _recolour(artist, name)
        if artist.get_path_effects():
            artist.set_path_effects([])  # white halos
    return png(figure)


def _recolour(artist: Any, name: str) -> None:
    """One of an artist's colours, where it is a colour of ours; what lies on data stays."""
    from matplotlib.colors import to_hex, to_rgba, to_rgba_array

    get, put = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
    if get is None or put is None:
        return
    value = get()
    if value is None or (isinstance(value, str) and value in ("none", "auto")):
        return
    rows = to_rgba_array(value)
    changed = [
        (*to_rgba(DARK.get(to_hex(row).lower(), to_hex(row)))[:3], row[3]) for row in rows.tolist()
    ]
    if changed and changed != [tuple(row) for row in rows.tolist()]:
        put(changed[0] if len(changed) == 1 else changed)
