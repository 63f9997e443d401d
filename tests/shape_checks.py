"""The type checker that `make test` gives to jaxtyping: beartype, told what Python's own conventions are."""

from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype

# A whole number is welcome where a float is asked for, as PEP 484 says. `Self` is unknown to beartype outside a
# decorated class, and jaxtyping decorates methods.
check = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({Self: Any})))
