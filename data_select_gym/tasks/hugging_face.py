"""Hugging Face data sets, on disk or on the hub: labelled texts, and labelled images that are opened on request."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.arguments import check_place
from data_select_gym.tasks.class_numbers import NO_LABEL, RawLabels, number_classes
from data_select_gym.tasks.images.image_files import open_image
from data_select_gym.tasks.protocol import Stored
from data_select_gym.tasks.text.text_files import LABEL_NAME, NOT_READ, SPLIT_NAMES, SPLITS, TEXT_NAMES, Column, Texts
from data_select_gym.tasks.unread_warnings import holds_words, warn_unread_columns, warn_unread_splits

TEXT_TYPES = ("string", "large_string")


def open_dataset(dataset: str) -> dict[str, Any]:
    """The available splits, by the names ``"train"``, ``"validation"`` and ``"test"``, as ``datasets.Dataset``.

    Args:
        dataset: a folder written by ``save_to_disk``; a folder of files that ``datasets`` can read; or a name on the
            hub, with a configuration after a colon if it has several, as in ``"nyu-mll/glue:sst2"``. A data set without
            splits is the training set.

    Raises:
        ImportError: ``datasets`` is not installed.
        ValueError: there is no such data set, or it has no training set.
    """
    try:
        from datasets import DatasetDict, load_dataset, load_from_disk
    except ImportError as error:
        raise ImportError(f"dataset={dataset!r} needs datasets: pip install 'data-select-gym[datasets]'") from error
    place = check_place("dataset", dataset)
    saved = any((Path(place) / name).is_file() for name in ("dataset_dict.json", "state.json"))
    name, _, configuration = (place, "", "") if os.path.exists(place) else place.partition(":")
    try:
        loaded = load_from_disk(place) if saved else load_dataset(name, configuration or None)
    # Repositories, connections and file readers raise errors of many kinds.
    except Exception as error:
        raise ValueError(f"dataset={dataset!r} cannot be opened: {error}") from error
    splits = dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}
    found = {ours: splits[name] for ours, names in SPLITS.items() for name in names if name in splits}
    if "train" not in found:
        raise ValueError(f"dataset={dataset!r} has no split 'train'; it has: {', '.join(splits)}")
    warn_unread_splits(f"dataset={dataset!r}", splits, found, f"splits that are read are {SPLIT_NAMES}")
    return found


def texts(dataset: str, *, text_column: Column = None, label_column: Column = None) -> dict[str, Texts]:
    """The labelled texts of a data set by split.

    Unless ``text_column`` is given, a warning names unread columns with words in them.

    Args:
        dataset: see :func:`open_dataset`.
        text_column: name of the column with the texts; ``sentence`` or ``text`` if None.
        label_column: name of the column with the labels, which are integers or text; ``label`` if None.

    Raises:
        ImportError: ``datasets`` is not installed.
        ValueError: there is no such data set or column, or a row lacks its text or its label.
    """
    found = {}
    for split, part in open_dataset(dataset).items():
        source, names = _source(dataset, split), part.column_names
        default = next((name for name in TEXT_NAMES if name in names), TEXT_NAMES[0])
        column = _column(source, names, "text_column", default if text_column is None else text_column)
        label = LABEL_NAME if label_column is None else label_column
        rows, labels = _labels(source, part, label, needed=split == "train")
        everything = list(part[column])
        for row in rows:
            if not isinstance(everything[row], str) or not everything[row].strip():
                raise ValueError(f"{source}, row {row}: column {column!r} is {everything[row]!r}; a text is needed")
        if text_column is None:
            _warn_unread(source, part, {column, label})
        found[split] = Texts([everything[row].strip() for row in rows], labels)
    return found


def images(
    dataset: str,
    *,
    image_column: str = "image",
    label_column: str = "label",
    decode: Callable[[Image.Image], Tensor],
) -> dict[str, ImageRows]:
    """The labelled images of a data set by split; its classes are those of the training set, numbered from 0.

    A test split without labels is left out with a warning.

    Args:
        dataset: see :func:`open_dataset`.
        image_column: name of the column with the images.
        label_column: name of the column with the labels, which are integers or text.
        decode: from an image to a tensor.

    Raises:
        ImportError: ``datasets`` is not installed.
        ValueError: there is no such data set or column, or a row lacks its label.
    """
    splits, rows, labels = open_dataset(dataset), {}, {}
    import datasets

    for split, part in splits.items():
        source = _source(dataset, split)
        column = _column(source, part.column_names, "image_column", image_column)
        if not isinstance(part.features[column], datasets.Image):
            raise ValueError(f"{source}: column {column!r} is {part.features[column]}; images are needed")
        rows[split], labels[split] = _labels(source, part, label_column, needed=split == "train")
    _, targets = number_classes(labels)
    return {
        split: ImageRows(
            splits[split].select_columns([image_column]).cast_column(image_column, datasets.Image(decode=False)),
            torch.tensor(rows[split]),
            each,
            decode,
            _source(dataset, split),
        )
        for split, each in targets.items()
    }


class ImageRows(Dataset[tuple[Tensor, int]], Stored):
    """Labelled images in a memory-mapped table; a row is read and decoded on request.

    Attributes:
        table: a ``datasets.Dataset`` with one column, of encoded images.
        places: int64 ``(n,)``, the row of each sample.
        targets: int64 ``(n,)``, the labels.
        decode: from an image to a tensor.
        source: name of the table in errors.
    """

    def __init__(
        self, table: Any, places: Tensor, targets: Tensor, decode: Callable[[Image.Image], Tensor], source: str
    ) -> None:
        self.table = table
        self.places = places
        self.targets = targets
        self.decode = decode
        self.source = source

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """What ``decode`` makes of an image, and its label.

        Raises:
            ValueError: the image is damaged or missing; the message names its row.
        """
        row = int(self.places[index])
        (stored,) = self.table[row].values()
        try:
            with open_image(stored["path"] if stored["bytes"] is None else io.BytesIO(stored["bytes"])) as image:
                return self.decode(image), int(self.targets[index])
        # Pillow's readers raise errors of many kinds for damaged images.
        except Exception as error:
            raise ValueError(f"{self.source}, row {row}: the image cannot be decoded: {error}") from error

    def rows(self, indices: Tensor) -> ImageRows:
        """The samples at ``indices``, int64 ``(k,)`` on the host."""
        return ImageRows(self.table, self.places[indices], self.targets[indices], self.decode, self.source)

    def relabelled(self, targets: Tensor) -> ImageRows:
        """The same images with other labels, int64 ``(n,)``."""
        return ImageRows(self.table, self.places, targets, self.decode, self.source)


def _source(dataset: str, split: str) -> str:
    return f"dataset={dataset!r}, split {split!r}"


def _column(source: str, names: list[str], argument: str, column: Column) -> str:
    if not isinstance(column, str) or column not in names:
        raise ValueError(f"{source} has no {argument} {column!r}; it has: {', '.join(names)}")
    return column


def _warn_unread(source: str, part: Any, read: set[Column]) -> None:
    texts = [name for name, kind in part.features.items() if getattr(kind, "dtype", None) in TEXT_TYPES]
    unread = [name for name in texts if name not in read and any(map(holds_words, part[name]))]
    warn_unread_columns(source, unread, NOT_READ)


def _labels(source: str, part: Any, column: Column, *, needed: bool) -> tuple[list[int], RawLabels]:
    """The rows of a split that have a label, and their labels; all rows and no values if no row has one.

    In a column of ``ClassLabel``, -1 means no label, and a warning counts the rows left out. If the column is missing
    and not ``needed``, no row has a label.

    Raises:
        ValueError: the column is needed and missing, or a label is neither an integer nor text.
    """
    from datasets import ClassLabel

    everything = list(range(len(part)))
    if needed:
        _column(source, part.column_names, "label_column", column)
    if column not in part.column_names:
        none = RawLabels(f"{source} (it has: {', '.join(part.column_names)})", None, _place(source, everything))
        return everything, none
    written = list(part[column])
    for row, label in enumerate(written):
        if isinstance(label, bool) or not isinstance(label, int | str) or not str(label).strip():
            raise ValueError(f"{source}, row {row}: column {column!r} is {label!r}; a text or a whole number is needed")
    rows = everything
    if isinstance(part.features[column], ClassLabel):
        rows = [row for row in everything if written[row] != NO_LABEL]
    if not rows:
        return everything, RawLabels(source, None, _place(source, everything))
    if len(rows) < len(written):
        warnings.warn(
            f"{source}: {len(written) - len(rows)} of {len(written)} rows have the label {NO_LABEL}, which means none, "
            "and are left out",
            stacklevel=4,
        )
    return rows, RawLabels(source, [str(written[row]).strip() for row in rows], _place(source, rows))


def _place(source: str, rows: list[int]) -> Callable[[int], str]:
    return lambda sample: f"{source}, row {rows[sample]}"
