"""Weights from a file the reader has, with every key that does not fit named."""

from collections.abc import Mapping
from os import PathLike, fspath

import torch
from torch import Tensor, nn

from fpnlib.validation import require

_SHOWN = 5  # keys that an error names; a wrong architecture has hundreds
_COUNTER = "num_batches_tracked"  # files older than this counter, and frozen normalisation, have none


def read_checkpoint(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a file that `torch.save` wrote: a state dict, or one under "model".

    Nothing in the file is executed. ValueError when it cannot be read or holds anything but tensors.
    """
    try:
        if fspath(path).endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, weights_only=True, map_location="cpu")
    # A file of another kind makes the two readers raise many things: OSError, UnpicklingError, SafetensorError, …
    except Exception as error:
        raise ValueError(f"path: cannot read {fspath(path)} ({error}), allowed: a file of weights") from error
    state = content.get("model", content) if isinstance(content, Mapping) else content
    fits = isinstance(state, Mapping) and all(isinstance(value, Tensor) for value in state.values())
    require(fits, "path", f"{fspath(path)} with a {type(state).__name__}", "a state dict, names to tensors")
    return dict(state)


def load_checked(model: nn.Module, state: Mapping[str, Tensor], prefix: str | None = None) -> None:
    """Load `state` into `model`; with a prefix only the keys that begin with it, such as a detector's "backbone.body.".

    `prefix` None takes the prefix from the file: what stands there before the name of the model's first tensor.
    ValueError, with nothing changed, that names missing and foreign keys and shapes that differ.
    """
    own = model.state_dict()
    first = next(iter(own))
    if prefix is None:
        found = [key.removesuffix(first) for key in state if key == first or key.endswith(f".{first}")]
        prefix = min(found, key=len, default="")
    part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    missing = [key for key in own if key not in part and not key.endswith(_COUNTER)]
    foreign = [key for key in part if key not in own]
    reshaped = [
        f"{key} {tuple(part[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in part and part[key].shape != own[key].shape
    ]
    faults = {"missing": missing, "foreign": foreign, "of another shape": reshaped}
    got = "; ".join(f"{len(keys)} {what}: {_named(keys)}" for what, keys in faults.items() if keys)
    require(not got, "state", got, f"the {len(own)} tensors of {type(model).__name__}, {first} and so on")
    model.load_state_dict(own | part)


def _named(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", …" if len(keys) > _SHOWN else "")
