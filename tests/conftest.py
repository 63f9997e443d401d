"""What holds for every test."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from jaxtyping import config as jaxtyping_config

# An example may be slow on a busy machine; a test that takes too long is seen in the benchmarks.
settings.register_profile("fpnlib", settings(parent=settings.default, deadline=None))
settings.load_profile("fpnlib")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Under --jaxtyping-packages a test of bad input must meet the library's own words, not jaxtyping's."""
    before = jaxtyping_config.jaxtyping_disable
    jaxtyping_config.update("jaxtyping_disable", before or item.get_closest_marker("bad_input") is not None)
    try:
        return (yield)
    finally:
        jaxtyping_config.update("jaxtyping_disable", before)
