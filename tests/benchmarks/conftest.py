import contextlib
from types import ModuleType

import pytest
import torch
from support.vision import torchvision_or_skip

# torchmetrics imports torchvision where it is installed, so it must be made importable first.
with contextlib.suppress(pytest.skip.Exception):
    torchvision_or_skip()


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def torchvision() -> ModuleType:
    return torchvision_or_skip()
