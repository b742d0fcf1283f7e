"""Reads and validates the fields of a request by the rules that the API documents."""

from collections.abc import Collection, Mapping
from typing import Any

from minimax.sandbox.api_errors import Refusal, invalid_params


class Params:
    """The fields of one JSON object; an invalid field is refused by name (2013).

    A `null` field counts as missing. `default` is returned for a missing field.
    """

    def __init__(self, fields: Mapping[str, Any], *, prefix: str = "") -> None:
        self._fields = fields
        self._prefix = prefix

    def has(self, name: str) -> bool:
        """Return whether the field is present and not null."""
        return self._fields.get(name) is not None

    def read_text(
        self, name: str, *, default: str = "", required: bool = False, max_length: int | None = None
    ) -> str:
        """Read a string of at most `max_length` characters."""
        value: str = self._get(name, str, default)
        if required and not value.strip():
            raise self.make_refusal(name, "is required")
        if max_length is not None and len(value) > max_length:
            raise self.make_refusal(name, f"must not be longer than {max_length} characters")
        return value

    def read_choice(
        self, name: str, choices: Collection[str], *, default: str = "", required: bool = False
    ) -> str:
        """Read a string that must be one of `choices`, case-sensitive."""
        value = self.read_text(name, default=default, required=required)
        if self.has(name) and value not in choices:
            raise self.make_refusal(name, f"must be one of {', '.join(choices)}")
        return value

    def read_integer(
        self,
        name: str,
        *,
        default: int = 0,
        required: bool = False,
        low: int | None = None,
        high: int | None = None,
    ) -> int:
        """Read an integer from `low` to `high`."""
        if required and not self.has(name):
            raise self.make_refusal(name, "is required")
        value: int = self._get(name, int, default)
        self._check_range(name, value, low, high)
        return value

    def read_number(
        self,
        name: str,
        *,
        default: float = 0.0,
        low: float | None = None,
        high: float | None = None,
    ) -> float:
        """Read a number from `low` to `high`."""
        value: float = self._get(name, (int, float), default)
        self._check_range(name, value, low, high)
        return value

    def read_flag(self, name: str, *, default: bool = False) -> bool:
        """Read a boolean."""
        value = self._fields[name] if self.has(name) else default
        if not isinstance(value, bool):
            raise self.make_refusal(name, "must be a boolean")
        return value

    def read_object(self, name: str) -> "Params":
        """Read an object; a missing one is returned without fields."""
        return Params(self._get(name, dict, {}), prefix=f"{self._prefix}{name}.")

    def read_objects(self, name: str) -> "list[Params]":
        """Read an array of objects."""
        items = self.read_array(name)
        if not all(isinstance(item, dict) for item in items):
            raise self.make_refusal(name, "must hold objects")
        return [Params(item, prefix=f"{self._prefix}{name}[{i}].") for i, item in enumerate(items)]

    def read_single_object(self, name: str) -> "Params":
        """Read the object of an array that must hold exactly one."""
        objects = self.read_objects(name)
        if len(objects) != 1:
            raise self.make_refusal(name, "must hold exactly one object")
        return objects[0]

    def read_array(self, name: str) -> list[Any]:
        """Read an array."""
        members: list[Any] = self._get(name, list, [])
        return members

    def check_names(self, known: Collection[str]) -> None:
        """Refuse fields that are not in `known`."""
        for name in self._fields:
            if name not in known:
                raise self.make_refusal(name, "is unknown")

    def make_refusal(self, name: str, complaint: str) -> Refusal:
        """Return a 2013 refusal that names the field by its full path."""
        return invalid_params(f"{self._prefix}{name} {complaint}")

    def _get(self, name: str, expected_type: type | tuple[type, ...], default: Any) -> Any:
        value = self._fields[name] if self.has(name) else default
        if not isinstance(value, expected_type) or isinstance(value, bool):
            raise self.make_refusal(name, "has the wrong type")
        return value

    def _check_range(self, name: str, value: float, low: float | None, high: float | None) -> None:
        if not self.has(name):
            return
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.make_refusal(name, f"must be between {low} and {high}")
