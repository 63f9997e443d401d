"""Notes on deep-learning vision whose every measurable sentence is measured."""

import importlib
from types import ModuleType

__version__ = "0.1.0"

# Submodules load on first use, so that `import fpnlib` does not cost an import of torch.
_SUBMODULES = frozenset(
    {"assets", "claims", "data", "exercises", "explore", "metrics", "models", "notes", "ops", "schedules", "training"}
)


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        return importlib.import_module(f"fpnlib.{name}")
    raise AttributeError(f"module 'fpnlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_SUBMODULES | {"__version__"})
