"""A model whose calls are compiled within a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# On a GPU one CUDA graph serves all calls of one shape. Texts vary in shape, and a graph for each would take longer to
# make than it saves.
OPTIONS: dict[str, Any] = {"triton.cudagraphs": True, "triton.cudagraph_skip_dynamic_graphs": True}


class CompiledForward:
    """A model's forward pass, compiled by ``torch.compile``.

    The model itself is not wrapped, so that objectives, checkpoints and users find its layers under the usual names.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        """Check that compilation works here. The model is compiled when it is first called.

        Raises:
            ValueError: it does not.
        """
        try:
            torch.compile(_successor, options=OPTIONS)(torch.zeros(1, dtype=torch.float32, device=device))
        # A missing, outdated or broken compiler raises errors of any kind.
        except Exception as error:
            what = " ".join(str(error).partition("\n\n")[0].split())
            raise ValueError(
                f"compile=True cannot be used here ({what}); torch.compile needs a C++ compiler, and on a GPU Triton"
            ) from error
        self._compile(model)

    def _compile(self, model: nn.Module) -> None:
        self.model = model
        self.forward = torch.compile(model.forward, options=OPTIONS)
        # If hooks are not among its guards, the graph of a model that was compiled without one is reused for all models
        # of its kind, and the hook that takes an embedding is not called. The patch is made once, since that is slow.
        self.guards: Any = torch._dynamo.config.patch(skip_nnmodule_hook_guards=False)

    def __getstate__(self) -> nn.Module:
        """Only the model: a copy compiles its own, since compiled code computes with the weights of this one."""
        return self.model

    def __setstate__(self, model: nn.Module) -> None:
        self._compile(model)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Compile the model's calls within the block. On a GPU their outputs are valid until the next block."""
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        own = vars(self.model)
        before = {name: own[name] for name in ["forward"] if name in own}
        own["forward"] = self.forward
        try:
            with self.guards:
                yield
        finally:
            del own["forward"]
            own.update(before)


def _successor(number: torch.Tensor) -> torch.Tensor:
    return number + 1
