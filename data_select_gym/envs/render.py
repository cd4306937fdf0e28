"""A picture and a line of text of the run so far, read off an environment without touching it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.rewards import finite_loss
from data_select_gym.training.randomness import OwnRandomness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from data_select_gym.envs.env import DataSelectEnv

# All in pixels from the upper left corner; even numbers, as video encoders need them.
WIDTH, HEIGHT, DPI = 960, 540, 100
# Left, top, width and height of the panels.
PANELS = {"loss": (64, 92, 390, 386), "keep": (540, 92, 390, 150), "quality": (540, 328, 390, 150)}
PANELS_ABOVE_IMAGES = {"loss": (64, 92, 248, 226), "keep": (373, 92, 248, 226), "quality": (682, 92, 248, 226)}
STRIPS_TOP, STRIP_PITCH = 388, 76
TILES, TILE, TILE_PITCH, FRAME = 12, 64, 73, 2

INK, FAINT, SHADE = "#333333", "#8a8a8a", "#f0f0f0"
COLORS = {"candidates": "#7f8fa6", "kept": "#1f77b4", "dropped": "#f2a65a"}
QUALITY_COLOR = "#2a9d5c"

BINS = 40
# Losses below it are drawn on a linear scale and those above on a logarithmic one.
LINEAR_LOSS = 1e-3
MOST_STEPS = 400


@dataclass(frozen=True)
class LastPool:
    """The pool that was last acted on, or the one now shown where there was no step yet.

    Attributes:
        indices: int64 ``(P,)``, its candidates.
        losses: ``(P,)``, their losses on record before the step, all finite.
        groups: by name a mask ``(P,)``; kept and dropped, or all candidates before the first step.
    """

    indices: NDArray[np.int64]
    losses: NDArray[np.float32]
    groups: dict[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, env: DataSelectEnv) -> LastPool:
        """Look it up."""
        record = env.record
        if record is None:
            indices, loss = env.run.pool, env.signals.loss
            groups = {"candidates": np.ones(len(indices), dtype=bool)}
        else:
            indices, loss = record.indices, record.recorded.loss
            kept = record.kept.numpy()
            groups = {"kept": kept, "dropped": ~kept}
        return cls(indices.numpy(), finite_loss(loss).cpu().numpy(), groups)

    def hardest(self, group: str) -> list[int]:
        """Indices of a few members of a group, the highest loss first."""
        members = self.groups[group].nonzero()[0]
        order = np.argsort(-self.losses[members], kind="stable")
        return [int(index) for index in self.indices[members[order[:TILES]]]]


def tell(env: DataSelectEnv) -> str:
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
        name = env.task.objective.quality
        parts.append(f"val {name} {env.run.evaluations[-1].validation[name]:.3f}")
    return ", ".join(parts)


def epoch(env: DataSelectEnv) -> str:
    """Epochs that are over, of how many; not whole where a shortened run ends within one."""
    return f"{env.run.epoch}/{env.plan.total_pools / env.plan.pools_per_epoch:.4g}"


def draw(env: DataSelectEnv) -> NDArray[np.uint8]:
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
    _write_title(figure, env)
    panels = PANELS_ABOVE_IMAGES if strips else PANELS
    _draw_losses(_panel(figure, panels["loss"]), pool)
    _draw_keep_fraction(_panel(figure, panels["keep"]), env)
    _draw_quality(_panel(figure, panels["quality"]), env)
    for row, name in enumerate(strips):
        _write_strip_name(figure, row, name)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    for row, (name, images) in enumerate(strips.items()):
        _paste_strip(picture, row, name, images)
    return picture


def read_strips(env: DataSelectEnv, pool: LastPool) -> dict[str, list[NDArray[np.uint8]]]:
    """A few images of each group, the highest loss first; nothing where the inputs are no images."""
    strips: dict[str, list[NDArray[np.uint8]]] = {}
    # A user's dataset may draw from the global generators.
    with OwnRandomness(0, torch.device("cpu")):
        for name in pool.groups:
            strips[name] = []
            for index in pool.hardest(name):
                value = env.task.train[index][0]
                if not is_image(value):
                    return {}
                strips[name].append(tile(value))
    return strips


def is_image(value: Any) -> bool:
    """Whether an input is a tensor of rows and columns with one or three channels before them."""
    return isinstance(value, Tensor) and value.ndim == 3 and value.shape[0] in (1, 3)


def tile(image: Tensor) -> NDArray[np.uint8]:
    """An image ``(1 or 3, H, W)`` scaled to its full range of values and to about the size of a tile, ``(h, w, 3)``."""
    longer = max(image.shape[1:])
    step = math.ceil(longer / TILE)
    small = image.detach()[:, ::step, ::step].cpu().float().nan_to_num()
    low, high = small.aminmax()
    gray = ((small - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8)
    times = max(1, TILE // longer)
    return gray.expand(3, -1, -1).permute(1, 2, 0).numpy().repeat(times, axis=0).repeat(times, axis=1)


def _panel(figure: Figure, box: tuple[int, int, int, int]) -> Axes:
    left, top, width, height = box
    axes = figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT), facecolor="white")
    axes.tick_params(colors=FAINT, labelcolor=INK, labelsize=8, width=0.8, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    return axes


def _write_title(figure: Figure, env: DataSelectEnv) -> None:
    numbers = f"epoch {epoch(env)}     cost {env.run.cost:.2f}     keep ratio {env.keep_ratio:.2f}"
    y = 1 - 30 / HEIGHT
    figure.text(64 / WIDTH, y, env.task.name, size=16, weight="bold", color=INK, va="center", parse_math=False)
    figure.text(930 / WIDTH, y, numbers, size=12, color=INK, va="center", ha="right")


def _write_heading(axes: Axes, heading: str, value: str = "") -> None:
    axes.set_title(heading, loc="left", size=10, weight="bold", color=INK, parse_math=False)
    axes.set_title(value, loc="right", size=10, color=INK)


def _draw_losses(axes: Axes, pool: LastPool) -> None:
    """A histogram, the groups stacked; its scale holds losses from nearly zero to very large ones, and negative ones."""
    _write_heading(axes, "Pool by recorded loss")
    axes.set_xscale("symlog", linthresh=LINEAR_LOSS)
    scale = axes.xaxis.get_transform()
    low, high = scale.transform(np.array([pool.losses.min(), pool.losses.max()], dtype=np.float64))
    margin = max(0.02 * (high - low), 0.01)
    edges = scale.inverted().transform(np.linspace(low - margin, high + margin, BINS + 1))
    below = np.zeros(BINS)
    for row, (name, members) in enumerate(pool.groups.items()):
        above = below + np.histogram(pool.losses[members], edges)[0]
        axes.stairs(above, edges, baseline=below, fill=True, color=COLORS[name])
        axes.text(
            0.02, 0.97 - row * 22 / 226, f"{name} {members.sum()}", transform=axes.transAxes, va="top", size=9,
            weight="bold", color=COLORS[name],
        )  # fmt: skip
        below = above
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(1.0, 1.15 * below.max()))
    axes.set_xlabel("loss", size=9, color=INK)


def _over_progress(axes: Axes, env: DataSelectEnv) -> None:
    """Prepare a panel over the progress of the run; the epochs that are trained on all data are shaded."""
    plan = env.plan
    for start, end in [(0, plan.warmup_pools), (plan.anneal_start, plan.total_pools)]:
        axes.axvspan(start / plan.total_pools, end / plan.total_pools, color=SHADE, lw=0)
    axes.set_xlim(0, 1)
    axes.set_xlabel("progress", size=9, color=INK)


def _draw_keep_fraction(axes: Axes, env: DataSelectEnv) -> None:
    value = f"{env.keep_fractions[-1][1]:.2f}" if env.keep_fractions else ""
    _write_heading(axes, "Keep fraction", value)
    _over_progress(axes, env)
    axes.axhline(env.keep_ratio, color=FAINT, lw=1, ls="--")
    if env.keep_fractions:
        fractions = np.array([fraction for _, fraction in env.keep_fractions])
        # A step takes one pool. More of them than the panel has columns are averaged.
        parts = np.array_split(fractions, min(len(fractions), MOST_STEPS))
        edges = env.plan.warmup_pools + np.cumsum([0] + [len(part) for part in parts])
        means = [part.mean() for part in parts]
        axes.stairs(means, edges / env.plan.total_pools, baseline=None, color=COLORS["kept"], lw=1.2)
    axes.set_ylim(-0.03, 1.05)


def _draw_quality(axes: Axes, env: DataSelectEnv) -> None:
    name = env.task.objective.quality
    progress = [evaluation.progress for evaluation in env.run.evaluations]
    values = [evaluation.validation[name] for evaluation in env.run.evaluations]
    _write_heading(axes, f"Validation {name}", f"{values[-1]:.3f}" if values else "")
    _over_progress(axes, env)
    axes.plot(progress, values, color=QUALITY_COLOR, lw=1.5, marker="o", ms=3)
    axes.margins(y=0.1)


def _write_strip_name(figure: Figure, row: int, name: str) -> None:
    middle = STRIPS_TOP + row * STRIP_PITCH + TILE / 2
    figure.text(
        34 / WIDTH, 1 - middle / HEIGHT, name, size=9, weight="bold", color=COLORS[name], rotation=90, ha="center",
        va="center",
    )  # fmt: skip


def _paste_strip(picture: NDArray[np.uint8], row: int, name: str, images: list[NDArray[np.uint8]]) -> None:
    top = STRIPS_TOP + row * STRIP_PITCH
    color = np.frombuffer(bytes.fromhex(COLORS[name][1:]), dtype=np.uint8)
    for number, image in enumerate(images):
        left = 64 + number * TILE_PITCH
        height, width = image.shape[:2]
        picture[top - FRAME : top + height + FRAME, left - FRAME : left + width + FRAME] = color
        picture[top : top + height, left : left + width] = image
