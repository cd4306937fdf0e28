import pickle

import pytest
import torch
from torch import Tensor, nn

from data_select_gym.tasks.images.small_image_models import (
    CIFAR10_MEAN,
    CIFAR10_STD,
    MODELS,
    Normalize,
    ResNet18,
    SmallCNN,
)
from data_select_gym.tasks.objectives import Classification

WIDTHS = {"small-cnn": 128, "resnet18": 512}


def images(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)


def test_normalize_by_hand() -> None:
    pixels = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    pixels[0, 0, 0, 0], pixels[0, 1, 1, 0] = 255, 51
    outputs = Normalize(mean=(0.5, 0.1, 0.2), std=(0.25, 0.5, 0.1))(pixels)
    assert outputs.dtype == torch.float32
    expected = torch.tensor([[[[2.0, -2.0], [-2.0, -2.0]], [[-0.2, -0.2], [0.2, -0.2]], [[-2.0, -2.0], [-2.0, -2.0]]]])
    assert torch.allclose(outputs, expected)


def test_normalize_is_channels_last_and_its_constants_are_not_trained() -> None:
    layer = Normalize()
    assert layer(images()).is_contiguous(memory_format=torch.channels_last)
    assert not list(layer.parameters())
    state = layer.state_dict()
    assert torch.allclose(state["mean"].flatten(), torch.tensor(CIFAR10_MEAN) * 255)
    assert torch.allclose(state["std"].flatten(), torch.tensor(CIFAR10_STD) * 255)


@pytest.mark.parametrize("name", WIDTHS)
def test_model_gives_logits_for_each_class(name: str) -> None:
    assert set(MODELS) == set(WIDTHS)
    logits = MODELS[name](7)(images(3))
    assert logits.shape == (3, 7)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", WIDTHS)
def test_head_is_the_last_linear_and_its_input_the_embedding(name: str) -> None:
    model = MODELS[name](10)
    assert [key for key, _ in model.named_parameters()][-2:] == ["head.weight", "head.bias"]
    objective = Classification(head="head")
    assert objective.embedding_dim(model) == Classification().embedding_dim(model) == WIDTHS[name]
    _, signals = objective(model, images(), torch.tensor([1, 2]), embed=True)
    assert signals.embedding is not None
    assert signals.embedding.shape == (2, WIDTHS[name])


@pytest.mark.parametrize("name", WIDTHS)
def test_gradient_reaches_every_parameter(name: str) -> None:
    model = MODELS[name](10)
    names, parameters = zip(*model.named_parameters(), strict=True)
    loss = nn.functional.cross_entropy(model(images(4)), torch.tensor([0, 1, 2, 3]))
    for name_of_one, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        assert gradient.abs().sum() > 0, name_of_one


@pytest.mark.parametrize(("model", "count"), [(SmallCNN, 248_098), (ResNet18, 11_173_962)])
def test_number_of_weights(model: type[nn.Module], count: int) -> None:
    assert sum(parameter.numel() for parameter in model().parameters()) == count


def test_resnet_keeps_the_resolution_in_its_stem_and_halves_it_three_times() -> None:
    model = ResNet18().eval()
    stem = model.stem(images(1))
    assert stem.shape == (1, 64, 32, 32)
    assert model.blocks(stem).shape == (1, 512, 4, 4)


def test_residual_adds_its_path_to_the_shortcut() -> None:
    block = ResNet18().blocks[1].eval()
    assert isinstance(block.path, nn.Sequential)
    inputs = torch.randn(1, 64, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(block(inputs), torch.relu(block.path(inputs) + inputs))


@pytest.mark.parametrize("name", WIDTHS)
def test_samples_are_independent_in_evaluation(name: str) -> None:
    model = pickle.loads(pickle.dumps(MODELS[name](10))).eval()
    batch = images(3)
    with torch.no_grad():
        assert torch.allclose(model(batch)[1:2], model(batch[1:2]), atol=1e-4)
