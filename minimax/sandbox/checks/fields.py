"""Reading a request's fields by the rules that the API documents for them."""

from collections.abc import Collection, Mapping
from typing import Any

from minimax.sandbox.api_errors import Refusal, invalid


class Params:
    """The fields of one JSON object; a field that breaks its rule is refused by name.

    `null` counts as not given. `default` is what a field that was not given reads as.
    """

    def __init__(self, fields: Mapping[str, Any], *, prefix: str = "") -> None:
        self._fields = fields
        self._prefix = prefix

    def has(self, name: str) -> bool:
        """Whether the field was given."""
        return self._fields.get(name) is not None

    def text(
        self, name: str, *, default: str = "", required: bool = False, at_most: int | None = None
    ) -> str:
        """A string of at most so many characters."""
        value: str = self._get(name, str, default)
        if required and not value.strip():
            raise self.refusal(name, "is required")
        if at_most is not None and len(value) > at_most:
            raise self.refusal(name, f"must not be longer than {at_most} characters")
        return value

    def choice(
        self, name: str, choices: Collection[str], *, default: str = "", required: bool = False
    ) -> str:
        """One of the words in `choices`, letter for letter."""
        value = self.text(name, default=default, required=required)
        if self.has(name) and value not in choices:
            raise self.refusal(name, f"must be one of {', '.join(choices)}")
        return value

    def integer(
        self,
        name: str,
        *,
        default: int = 0,
        required: bool = False,
        low: int | None = None,
        high: int | None = None,
    ) -> int:
        """A whole number from `low` to `high`."""
        if required and not self.has(name):
            raise self.refusal(name, "is required")
        value: int = self._get(name, int, default)
        self._check_range(name, value, low, high)
        return value

    def number(
        self,
        name: str,
        *,
        default: float = 0.0,
        low: float | None = None,
        high: float | None = None,
    ) -> float:
        """A number from `low` to `high`."""
        value: float = self._get(name, (int, float), default)
        self._check_range(name, value, low, high)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        value = self._fields[name] if self.has(name) else default
        if not isinstance(value, bool):
            raise self.refusal(name, "must be a boolean")
        return value

    def child(self, name: str) -> "Params":
        """The object under `name`; one without fields when it was not given."""
        return Params(self._get(name, dict, {}), prefix=f"{self._prefix}{name}.")

    def children(self, name: str) -> "list[Params]":
        """The objects of the array under `name`."""
        items = self.items(name)
        if not all(isinstance(item, dict) for item in items):
            raise self.refusal(name, "must hold objects")
        return [Params(item, prefix=f"{self._prefix}{name}[{i}].") for i, item in enumerate(items)]

    def only_child(self, name: str) -> "Params":
        """The one object of an array that must hold exactly one."""
        children = self.children(name)
        if len(children) != 1:
            raise self.refusal(name, "must hold exactly one object")
        return children[0]

    def items(self, name: str) -> list[Any]:
        """The members of an array."""
        members: list[Any] = self._get(name, list, [])
        return members

    def check_names(self, known: Collection[str]) -> None:
        """Refuse any field but these."""
        for name in self._fields:
            if name not in known:
                raise self.refusal(name, "is unknown")

    def refusal(self, name: str, complaint: str) -> Refusal:
        """2013 for one field, by its full name."""
        return invalid(f"{self._prefix}{name} {complaint}")

    def _get(self, name: str, kind: type | tuple[type, ...], default: Any) -> Any:
        value = self._fields[name] if self.has(name) else default
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.refusal(name, "has the wrong type")
        return value

    def _check_range(self, name: str, value: float, low: float | None, high: float | None) -> None:
        if not self.has(name):
            return
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.refusal(name, f"must be between {low} and {high}")
