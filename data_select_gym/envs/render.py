"""A picture and a line of text of the run so far. Rendering changes nothing in the environment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.envs.base_env import EpisodeEnv
from data_select_gym.randomness import RNGScope
from data_select_gym.rewards import finite_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Image: TypeAlias = NDArray[np.uint8]
# Left, top, width and height, in pixels from the upper left corner.
Box: TypeAlias = tuple[int, int, int, int]

# Even numbers, as video encoders need them.
WIDTH, HEIGHT, DPI = 960, 540, 100
LEFT, RIGHT = 64, 934
PANELS: list[Box] = [(64, 92, 390, 386), (544, 92, 390, 146), (544, 332, 390, 146)]
PANELS_ABOVE_IMAGES: list[Box] = [(64, 92, 246, 214), (376, 92, 246, 214), (688, 92, 246, 214)]
STRIPS_TOP, STRIP_ROWS, STRIP_PITCH = 386, 2, 76
TILES, TILE, TILE_PITCH, FRAME = 12, 64, 73, 2

INK, FAINT, SHADE = "#333333", "#8a8a8a", "#f0f0f0"
COLORS = {"candidates": "#7f8fa6", "kept": "#1f77b4", "dropped": "#e8964a"}
QUALITY_COLOR = "#2a9d5c"

BINS = 40
# Here the scale of losses turns from linear to logarithmic; it is at least two powers of ten wide.
SMALL_LOSS = 1e-4
LEAST_RANGE = 2 * math.log(10)
# Steps are averaged to about as many as a panel can resolve.
MOST_STEPS = 120
# Grey are the warm-up and annealing epochs.
PROGRESS = "progress (grey: all data)"


@dataclass(frozen=True)
class LastPool:
    """The pool of the last step; before the first step, the one now shown.

    Attributes:
        indices: int64 ``(P,)``, its candidates.
        losses: float32 ``(P,)``, their losses on record before the step, all finite.
        groups: masks ``(P,)`` by name: kept and dropped, or all candidates before the first step.
    """

    indices: NDArray[np.int64]
    losses: NDArray[np.float32]
    groups: dict[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, env: EpisodeEnv) -> LastPool:
        """Read it from an environment.

        Raises:
            ResetNeeded: there is no run.
        """
        record = env.record
        if record is None:
            indices, loss = env.run.pool, env.signals.loss
            groups: dict[str, NDArray[np.bool_]] = {"candidates": np.ones(len(indices), dtype=np.bool_)}
        else:
            indices, loss = record.indices, record.recorded.loss
            kept = record.kept.numpy()
            groups = {"kept": kept, "dropped": ~kept}
        return cls(indices.numpy(), finite_loss(loss).cpu().numpy(), groups)

    def hardest(self, group: str, most: int) -> list[int]:
        """Indices of up to ``most`` members of a group, the highest loss first."""
        members = self.groups[group].nonzero()[0]
        order = np.argsort(-self.losses[members], kind="stable")
        return [int(index) for index in self.indices[members[order[:most]]]]


def render_ansi(env: EpisodeEnv) -> str:
    """One line about the run so far.

    Raises:
        ResetNeeded: there is no run.
    """
    parts = [f"{env.task.name}: epoch {epoch(env)}"]
    if env.keep_fractions:
        parts.append(f"kept {env.keep_fractions[-1][1]:.2f} of {env.plan.pool_size}")
    parts.append(f"cost {env.run.cost:.2f}")
    if env.record is not None and env.record.minibatches:
        parts.append(f"train loss {env.record.train_loss.item():.3f}")
    if env.run.evaluations:
        name = env.task.objective.primary_metric
        parts.append(f"val {name} {env.run.evaluations[-1].validation[name]:.3f}")
    if env.keep_fractions:
        parts.append(f"mean reward {env.episode_return / len(env.keep_fractions):.3f}")
    return ", ".join(parts)


def epoch(env: EpisodeEnv) -> str:
    """Finished epochs of the total, which is not whole if a shortened run ends within an epoch."""
    return f"{env.run.epoch}/{env.plan.total_pools / env.plan.pools_per_epoch:.4g}"


def draw(env: EpisodeEnv) -> Image:
    """One picture of the run so far: losses, keep fraction, quality, and samples where they are images.

    Returns:
        A new uint8 array ``(540, 960, 3)``.

    Raises:
        ResetNeeded: there is no run.
        DependencyNotInstalled: matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyNotInstalled("render_mode='rgb_array' needs matplotlib: pip install matplotlib") from error
    pool = LastPool.of(env)
    strips = read_strips(env, pool)
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    numbers = f"epoch {epoch(env)}     cost {env.run.cost:.2f}     keep ratio {env.price.keep_ratio:.2f}"
    _write(figure, LEFT, 30, f"{env.task.name:.40}", size=16, weight="bold")
    _write(figure, RIGHT, 30, numbers, size=12, ha="right")
    boxes = PANELS_ABOVE_IMAGES if strips else PANELS
    _draw_losses(figure, boxes[0], pool)
    _draw_keep_fractions(figure, boxes[1], env)
    _draw_quality(figure, boxes[2], env)
    _name_strips(figure, strips)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture: Image = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
    _paste_strips(picture, strips)
    return picture


def read_strips(env: EpisodeEnv, pool: LastPool) -> dict[str, list[Image]]:
    """Images of each group, the highest loss first; empty if the inputs are not images."""
    strips: dict[str, list[Image]] = {}
    # A user's dataset may draw from the global generators.
    with RNGScope(0, env.run.device):
        for name in pool.groups:
            strips[name] = []
            for index in pool.hardest(name, TILES * STRIP_ROWS // len(pool.groups)):
                value = env.task.train[index][0]
                if not is_image(value):
                    return {}
                strips[name].append(tile(value))
    return strips


def is_image(value: Any) -> bool:
    """Whether an input is a tensor of rows and columns with one or three channels before them."""
    return isinstance(value, Tensor) and value.ndim == 3 and value.shape[0] in (1, 3)


def tile(image: Tensor) -> Image:
    """An image ``(1 or 3, H, W)``, its values stretched to [0, 255] and its longer side to at most a tile's."""
    longer = max(image.shape[1:])
    step = math.ceil(longer / TILE)
    small = image.detach()[:, ::step, ::step].cpu().float().nan_to_num()
    low, high = small.aminmax()
    scaled = ((small - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8)
    times = max(1, TILE // longer)
    return scaled.expand(3, -1, -1).permute(1, 2, 0).numpy().repeat(times, axis=0).repeat(times, axis=1)


def _write(figure: Figure, x: int, y: int, text: str, *, color: str = INK, **style: Any) -> None:
    # A name with dollar signs is not a formula.
    figure.text(x / WIDTH, 1 - y / HEIGHT, text, va="center", color=color, parse_math=False, **style)


def _panel(figure: Figure, box: Box, heading: str, value: str, axis: str) -> Axes:
    left, top, width, height = box
    axes = figure.add_axes(
        (left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT), facecolor="white"
    )
    axes.tick_params(color=FAINT, labelcolor=INK, labelsize=8, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    # Headings placed by matplotlib take as long as the rest of the picture.
    _write(figure, left, top - 16, heading, size=10, weight="bold")
    _write(figure, left + width, top - 16, value, size=10, ha="right")
    _write(figure, left + width // 2, top + height + 34, axis, size=9, ha="center")
    return axes


def _draw_losses(figure: Figure, box: Box, pool: LastPool) -> None:
    """A histogram, the groups stacked, on a scale that holds tiny, large and negative losses."""
    axes = _panel(figure, box, "Pool by recorded loss", "", "loss")
    places = np.arcsinh(pool.losses.astype(np.float64) / SMALL_LOSS)
    margin = max(0.02 * np.ptp(places), (LEAST_RANGE - np.ptp(places)) / 2)
    edges = np.linspace(places.min() - margin, places.max() + margin, BINS + 1)
    below = np.zeros(BINS)
    for row, (name, members) in enumerate(pool.groups.items()):
        above = below + np.histogram(places[members], edges)[0]
        axes.stairs(above, edges, baseline=below, fill=True, color=COLORS[name])
        label = f"{name} {members.sum()}"
        _write(figure, box[0] + 8, box[1] + 8 + 18 * row, label, size=9, weight="bold", color=COLORS[name])
        below = above
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.3 * below.max())
    axes.locator_params(axis="y", nbins=5, integer=True)
    ticks = loss_ticks(edges[0], edges[-1])
    axes.set_xticks([math.asinh(loss / SMALL_LOSS) for loss in ticks], [f"{loss:g}" for loss in ticks])


def loss_ticks(low: float, high: float) -> list[float]:
    """Zero and powers of ten, a few of them, whose places are in [low, high]."""
    powers = [10.0**power for power in range(round(math.log10(SMALL_LOSS)) + 1, 39)]
    every = [-power for power in reversed(powers)] + [0.0, *powers]
    inside = [loss for loss in every if low <= math.asinh(loss / SMALL_LOSS) <= high]
    return inside[:: max(1, math.ceil(len(inside) / 6))]


def _over_progress(axes: Axes, env: EpisodeEnv) -> None:
    """Make progress the horizontal axis, and shade the epochs that are trained on all data."""
    plan = env.plan
    for start, end in [(0, plan.warmup_pools), (plan.anneal_start, plan.total_pools)]:
        axes.axvspan(start / plan.total_pools, end / plan.total_pools, color=SHADE, lw=0)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def _draw_keep_fractions(figure: Figure, box: Box, env: EpisodeEnv) -> None:
    fractions = np.array([fraction for _, fraction in env.keep_fractions])
    axes = _panel(figure, box, "Keep fraction", f"{fractions[-1]:.2f}" if len(fractions) else "", PROGRESS)
    _over_progress(axes, env)
    axes.axhline(env.price.keep_ratio, color=FAINT, lw=1, ls="--")
    if len(fractions):
        starts = np.arange(0, len(fractions), math.ceil(env.plan.selection_pools / MOST_STEPS))
        ends = np.append(starts[1:], len(fractions))
        means = np.add.reduceat(fractions, starts) / (ends - starts)
        # A step takes one pool, the first step the one after the warm-up.
        edges = (env.plan.warmup_pools + np.append(starts, len(fractions))) / env.plan.total_pools
        axes.stairs(means, edges, baseline=None, color=COLORS["kept"], lw=1.5)
    axes.set_ylim(-0.03, 1.05)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def _draw_quality(figure: Figure, box: Box, env: EpisodeEnv) -> None:
    name = env.task.objective.primary_metric
    progress = [evaluation.progress for evaluation in env.run.evaluations]
    values = [evaluation.validation[name] for evaluation in env.run.evaluations]
    axes = _panel(figure, box, f"Validation {name}", f"{values[-1]:.3f}" if values else "", PROGRESS)
    _over_progress(axes, env)
    axes.plot(progress, values, color=QUALITY_COLOR, lw=1.5, marker="o", ms=3, clip_on=False)
    axes.margins(y=0.1)
    if values:
        axes.locator_params(axis="y", nbins=5)
    else:
        axes.set_yticks([])


def _name_strips(figure: Figure, strips: dict[str, list[Image]]) -> None:
    if strips:
        _write(figure, LEFT, STRIPS_TOP - 18, "Samples of the pool, highest loss first", size=10, weight="bold")
    for number, (name, images) in enumerate(strips.items()):
        height = STRIP_ROWS * STRIP_PITCH // len(strips)
        middle = STRIPS_TOP + number * height + (height - STRIP_PITCH + TILE) // 2
        style: dict[str, Any] = {"size": 9, "weight": "bold", "color": COLORS[name]}
        _write(figure, 34, middle, name, rotation=90, ha="center", **style)
        if not images:
            _write(figure, LEFT, middle, "none", **style)


def _paste_strips(picture: Image, strips: dict[str, list[Image]]) -> None:
    for number, (name, images) in enumerate(strips.items()):
        color = np.frombuffer(bytes.fromhex(COLORS[name].removeprefix("#")), dtype=np.uint8)
        for place, image in enumerate(images):
            height, width = image.shape[:2]
            top = STRIPS_TOP + (number + place // TILES) * STRIP_PITCH + (TILE - height) // 2
            left = LEFT + place % TILES * TILE_PITCH
            picture[top - FRAME : top + height + FRAME, left - FRAME : left + width + FRAME] = color
            picture[top : top + height, left : left + width] = image
