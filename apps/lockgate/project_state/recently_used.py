"""What was made of the models that a run dealt with last.

Migrations change the same few models again and again. Those that a run has gone past are forgotten, so that memory does
not grow with the number of models, and made anew in the odd case.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from lockgate import policy
from lockgate.project_state.relations import ModelKey

Value = TypeVar("Value")


class LeastRecentlyUsed(Generic[Value]):
    """By model, at most ``policy.MODELS_AT_HAND``."""

    def __init__(self) -> None:
        self._kept: dict[ModelKey, Value] = {}  # those used last at its end

    def take(self, key: ModelKey, otherwise: Value) -> Value:
        return self._kept.pop(key, otherwise)

    def put(self, key: ModelKey, value: Value) -> None:
        self._kept[key] = value
        if len(self._kept) > policy.MODELS_AT_HAND:
            del self._kept[next(iter(self._kept))]
