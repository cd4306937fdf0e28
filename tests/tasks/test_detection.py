"""The objective of detection, on a small detector with the interface of torchvision's."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

import data_select_gym  # noqa: F401
from data_select_gym.agents import make_env, make_policy, run_policy
from data_select_gym.tasks import LoaderConfig, Recipe, Task
from data_select_gym.tasks.detection import Detection, as_lists

REGIONS, CLASSES, WIDTH = 5, 3, 4


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.box_predictor = nn.ModuleDict({"cls_score": nn.Linear(WIDTH, CLASSES), "bbox_pred": nn.Linear(WIDTH, 4)})


class Detector(nn.Module):
    """Scores five strips of an image; in training gives losses, in evaluation boxes, as torchvision's detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), nn.Dropout(0.5))
        self.roi_heads = Head()

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        strips = [F.adaptive_avg_pool2d(self.body(image[None]), (REGIONS, 1))[0, :, :, 0].T for image in images]
        features = torch.cat(strips)
        parts: Any = self.roi_heads.box_predictor
        logits, boxes = parts["cls_score"](features), parts["bbox_pred"](features)
        if not self.training:
            return [{"boxes": boxes, "scores": logits.softmax(1).amax(1)}]
        assert targets is not None
        labels = torch.cat([target["labels"] for target in targets])
        wanted = torch.cat([target["boxes"] for target in targets])
        return {"loss_classifier": F.cross_entropy(logits, labels), "loss_box_reg": F.l1_loss(boxes, wanted)}


class Pixels(nn.Module):
    """Is no detector."""

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> Tensor:
        return images[0]


class Scenes(Dataset[Any]):
    """Images of different sizes, each with boxes and labels."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = [torch.rand(3, 10 + row % 3, 8, generator=generator) for row in range(count)]
        self.labels = torch.randint(CLASSES, (count, REGIONS), generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index], {"boxes": torch.ones(REGIONS, 4), "labels": self.labels[index]}


def batch(count: int = 3) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    images, targets = as_lists([Scenes(count)[row] for row in range(count)])
    return images, targets


def detection_task() -> Task:
    return Task(
        name="scenes",
        train=Scenes(40),
        make_model=Detector,
        objective=Detection(),
        recipe=Recipe(epochs=8, batch_size=4, optimizer=lambda weights: torch.optim.SGD(weights, lr=0.05)),
        loading=LoaderConfig(collate=as_lists),
    )


def plain(seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    model = Detector()
    return model.eval()


def test_the_loss_of_an_image_is_the_sum_of_the_detectors_losses_on_it() -> None:
    model, (images, targets) = plain(), batch()
    losses, signals = Detection()(model, images, targets, embed=False)
    for row, (image, target) in enumerate(zip(images, targets, strict=True)):
        strips = F.adaptive_avg_pool2d(model.body(image[None]), (REGIONS, 1))[0, :, :, 0].T
        parts: Any = model.roi_heads.box_predictor
        expected = F.cross_entropy(parts["cls_score"](strips), target["labels"])
        expected = expected + F.l1_loss(parts["bbox_pred"](strips), target["boxes"])
        assert losses[row].item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses.requires_grad and torch.equal(signals.loss, losses.detach())
    metrics = Detection().metrics(model, images, targets)
    assert torch.equal(metrics["loss"], signals.loss) and torch.equal(metrics["neg_loss"], -signals.loss)


def test_looking_changes_neither_mode_nor_statistics() -> None:
    model, (images, targets) = plain(), batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, _ = Detection()(model, images, targets, embed=False)
    again, _ = Detection()(model, images, targets, embed=False)
    assert torch.equal(first, again) and not any(module.training for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_uncertainty_is_the_entropy_of_the_regions_weighted_by_their_scores() -> None:
    # Two regions, three classes with the background first: one sure of class 1, one that knows nothing.
    logits = torch.tensor([[0.1, 0.8, 0.1], [1 / 3, 1 / 3, 1 / 3]]).log()
    sure = -(0.8 * math.log(0.8) + 0.2 * math.log(0.1)) / math.log(3)
    entropy, score = Detection()._of_regions(logits)
    assert entropy.tolist() == pytest.approx([sure, 1.0]) and score.tolist() == pytest.approx([0.8, 1 / 3])
    signals = Detection()._signals(torch.tensor([1.0]), [(torch.tensor([[1.0], [4.0]]), logits)], embed=True)
    weights = [0.8 / (0.8 + 1 / 3), (1 / 3) / (0.8 + 1 / 3)]
    assert signals.uncertainty.item() == pytest.approx(weights[0] * sure + weights[1])
    assert signals.confidence.item() == pytest.approx(0.8)
    assert signals.embedding is not None and signals.embedding.item() == pytest.approx(weights[0] + 4 * weights[1])
    assert signals.el2n.item() == pytest.approx(math.sqrt(2) / 2)


def test_a_sigmoid_for_each_class_is_taken_by_its_likeliest() -> None:
    logits = torch.tensor([[[0.0, -50.0], [math.log(0.9 / 0.1), 0.0]]])
    entropy, score = Detection(background=False)._of_regions(logits)
    assert score.tolist() == pytest.approx([0.5, 0.9])
    assert entropy.tolist() == pytest.approx([1.0, -(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))])


def test_an_image_without_regions_counts_as_sure_of_nothing() -> None:
    signals = Detection()._signals(torch.ones(1), [(torch.zeros(0, 2), torch.zeros(0, 3))], embed=True)
    assert signals.uncertainty.item() == signals.confidence.item() == 0


def test_what_is_no_detector_is_refused() -> None:
    model, (images, targets) = plain(), batch()
    with pytest.raises(ValueError, match=r"^scores='head' is not a layer of the model$"):
        Detection(scores="head")(model, images, targets, embed=False)
    with pytest.raises(ValueError, match=r"^scores='body' is not an nn.Linear, so images have no embedding$"):
        Detection(scores="body").embedding_dim(model)
    with pytest.raises(ValueError, match=r"^the model gives a Tensor; a detector in training gives a dict of losses$"):
        Detection()._loss(Pixels(), images[0], targets[0])
    with pytest.raises(ValueError, match=r"gives \(3,\); logits of shape \(R, C\) are needed$"):
        Detection()._of_regions(torch.zeros(3))
    parts = plain()
    parts.roi_heads.unused = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"uses this layer 0 times for 3 images$"):
        Detection(scores="roi_heads.unused")(parts, images, targets, embed=False)


@pytest.mark.parametrize("policy", ["random", "data-agent", "ppo"])
def test_a_detector_is_trained_on_what_a_policy_keeps(policy: str) -> None:
    made = make_policy(policy)
    env = make_env(made, "DataSelect/Custom-v0", task=detection_task(), pool_size=12, device="cpu")
    result = run_policy(made, env, seed=0)
    assert result.quality < 0 and math.isfinite(result.quality) and result.cost < 1


def test_the_embedding_is_a_feature_and_the_alignment_is_refused() -> None:
    task = detection_task()
    env = gym.make("DataSelect/Custom-v0", task=task, pool_size=12, features=["loss", "embedding"], device="cpu")
    assert env.observation_space.shape == (12, 1 + WIDTH)
    observation, _ = env.reset(seed=0)
    assert observation[:, 1:].any()
    with pytest.raises(ValueError, match="alignment needs an objective"):
        gym.make("DataSelect/Custom-v0", task=replace(task), reward="alignment", pool_size=12).reset(seed=0)
