import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from data_select_gym.tasks.images.photo_models import IMAGENET_MEAN, IMAGENET_STD, image_model
from data_select_gym.tasks.images.small_image_models import Normalize, SmallCNN
from data_select_gym.tasks.objectives import Classification

WIDTHS = {"small-cnn": 128, "resnet18": 512, "resnet50": 2048, "vit": 384}


def images(count: int = 2, size: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def weights(name: str) -> int:
    return sum(parameter.numel() for parameter in image_model(name, 1000, 224)().parameters())


@pytest.mark.parametrize("name", WIDTHS)
def test_a_model_gives_logits_and_its_head_the_embedding(name: str) -> None:
    model = image_model(name, 7, 32)()
    objective = Classification()
    losses, signals = objective(model, images(3), torch.tensor([0, 6, 3]), embed=True)
    assert losses.shape == (3,) and losses.isfinite().all()
    assert signals.embedding is not None
    assert signals.embedding.shape == (3, WIDTHS[name])
    assert objective.embedding_dim(model) == WIDTHS[name]
    assert model(images(3)).shape == (3, 7)


@pytest.mark.parametrize("name", WIDTHS)
def test_gradient_reaches_every_parameter(name: str) -> None:
    model = image_model(name, 4, 32)()
    names, parameters = zip(*model.named_parameters(), strict=True)
    loss = nn.functional.cross_entropy(model(images(4)), torch.tensor([0, 1, 2, 3]))
    gradients = torch.autograd.grad(loss, parameters)
    assert [each for each, gradient in zip(names, gradients, strict=True) if not gradient.abs().sum() > 0] == []


@pytest.mark.parametrize("name", WIDTHS)
def test_samples_are_independent_in_evaluation_and_the_model_can_be_pickled(name: str) -> None:
    model = pickle.loads(pickle.dumps(image_model(name, 4, 32)())).eval()
    with torch.no_grad():
        assert torch.allclose(model(images(3))[1:2], model(images(3)[1:2]), atol=1e-4)


# As published for a thousand classes; those of the vision transformer are without its class token.
@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 11_689_512), ("resnet50", 25_557_032), ("vit", 22_050_664 - 2 * 384)]
)
def test_number_of_weights(name: str, count: int) -> None:
    assert weights(name) == count


@pytest.mark.parametrize("name", WIDTHS)
def test_pixels_are_normalised_as_imagenet_s(name: str) -> None:
    (layer,) = (module for module in image_model(name, 2, 32)().modules() if isinstance(module, Normalize))
    assert torch.allclose(layer.mean.flatten(), torch.tensor(IMAGENET_MEAN) * 255)
    assert torch.allclose(layer.std.flatten(), torch.tensor(IMAGENET_STD) * 255)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_residual_network_divides_the_resolution_by_32(name: str) -> None:
    model: Any = image_model(name, 2, 64)().eval()
    stem = model.stem(images(1, 64))
    assert stem.shape == (1, 64, 16, 16)
    assert model.blocks(stem).shape == (1, WIDTHS[name], 2, 2)


def test_the_transformer_knows_where_a_patch_is() -> None:
    model = image_model("vit", 2, 32)().eval()
    halves = images(1)
    with torch.no_grad():
        assert not torch.allclose(model(halves), model(halves.roll(16, dims=3)))


def test_a_size_that_is_no_multiple_of_the_patches_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"image_size=60 is not a multiple of 16, the patches of model='vit'"):
        image_model("vit", 2, 60)


@pytest.mark.parametrize("name", ["resnet19", "", "timm", 18, None])
def test_an_unknown_name_is_an_error(name: Any) -> None:
    known = r"known are: small-cnn, resnet18, resnet50, vit, timm/NAME, torchvision/NAME"
    with pytest.raises(ValueError, match=rf"model={name!r} is not known; {known}"):
        image_model(name, 2, 32)


def library_model(name: str, *, num_classes: int) -> nn.Module:
    """What the libraries' functions give: a classifier for normalised images, its head at the end."""
    pool = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(pool, nn.Linear(5, num_classes))


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for timm and torchvision that know one model, tiny."""
    timm, torchvision, models = ModuleType("timm"), ModuleType("torchvision"), ModuleType("torchvision.models")
    vars(timm).update(__version__="1.2.3", is_model=lambda name: name == "tiny", create_model=library_model)
    vars(models).update(list_models=lambda module: ["tiny"] if module is models else [], get_model=library_model)
    vars(torchvision).update(models=models)
    for module in (timm, torchvision, models):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_model_of_a_library_is_taken_by_its_name(library: str) -> None:
    model: Any = image_model(f"{library}/tiny", 7, 32)()
    assert isinstance(model[0], Normalize)
    assert model(images(3)).shape == (3, 7)
    assert torch.equal(model(images()), model[1](Normalize(IMAGENET_MEAN, IMAGENET_STD)(images())))
    assert Classification().embedding_dim(model) == 5


@pytest.mark.usefixtures("libraries")
def test_a_name_that_a_library_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"model='timm/huge' is not known to timm 1\.2\.3"):
        image_model("timm/huge", 2, 32)
    with pytest.raises(ValueError, match=r"model='torchvision/huge' is not known; known are: tiny"):
        image_model("torchvision/huge", 2, 32)
    with pytest.raises(ValueError, match=r"model='timm/' is not known"):
        image_model("timm/", 2, 32)


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    message = rf"model='{library}/tiny' needs {library}: pip install 'data-select-gym\[{library}\]'"
    with pytest.raises(ImportError, match=message):
        image_model(f"{library}/tiny", 2, 32)


def test_fresh_weights_come_from_the_global_generator() -> None:
    make = image_model("small-cnn", 2, 32)
    firsts = []
    for _ in range(2):
        torch.manual_seed(3)
        model = make()
        assert isinstance(model, SmallCNN)
        firsts.append(model.head.weight)
    assert torch.equal(*firsts)
    assert not torch.equal(firsts[0], make().get_parameter("head.weight"))
