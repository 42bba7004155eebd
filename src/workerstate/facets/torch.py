"""PyTorch's threads, default dtype, grad mode and switches for reproducible results.

Whether CUDA is initialised is shown only: a forked worker can't use it then, and nothing undoes it.
Generator states are not read: that may start CUDA.
"""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class TorchFacet(LibraryFacet):
    """Keys are named as in torch's own functions and back ends."""

    name = "torch"
    module = "torch"
    phase = "task"  # grad mode belongs to the thread
    imports = True

    def capture(self) -> Captured:
        """Read the switches; initialises no device."""
        import sys

        torch: Any = sys.modules["torch"]
        if not hasattr(torch, "get_num_threads"):
            raise self.fail("capture", "torch is only half imported")
        settings = {
            "num_threads": torch.get_num_threads(),
            "num_interop_threads": torch.get_num_interop_threads(),
            "default_dtype": str(torch.get_default_dtype()).removeprefix("torch."),
            "grad_enabled": torch.is_grad_enabled(),
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
            "deterministic_warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
            "cudnn.benchmark": torch.backends.cudnn.benchmark,
            "cudnn.deterministic": torch.backends.cudnn.deterministic,
        }
        observed = {"cuda_initialized": torch.cuda.is_initialized()}
        return Captured(settings, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set those that differ.

        Raises:
            FacetError: torch has begun to compute in parallel, and refuses another number of
                inter-op threads.
        """
        import torch

        present = self.capture().settings
        changed = {key: value for key, value in settings.items() if present.get(key) != value}
        if "num_interop_threads" in changed:
            try:
                torch.set_num_interop_threads(changed["num_interop_threads"])
            except RuntimeError as error:
                raise self.fail("apply of num_interop_threads", error) from error
        if "num_threads" in changed:
            torch.set_num_threads(changed["num_threads"])
        if "default_dtype" in changed:
            torch.set_default_dtype(getattr(torch, changed["default_dtype"]))
        if "grad_enabled" in changed:
            torch.set_grad_enabled(changed["grad_enabled"])
        if not changed.keys().isdisjoint(("deterministic_algorithms", "deterministic_warn_only")):
            wanted = {**present, **changed}
            torch.use_deterministic_algorithms(
                wanted["deterministic_algorithms"],
                warn_only=wanted["deterministic_warn_only"],
            )
        for name in ("benchmark", "deterministic"):
            if f"cudnn.{name}" in changed:
                setattr(torch.backends.cudnn, name, changed[f"cudnn.{name}"])


facet = TorchFacet()
