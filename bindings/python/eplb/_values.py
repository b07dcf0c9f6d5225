# SPDX-License-Identifier: MIT
"""How values of enumerations are given and taken. A string serves as well: "lpt-swap-any"."""

from __future__ import annotations

from enum import IntEnum
from typing import Type, TypeVar, Union

_Enum = TypeVar("_Enum", bound=IntEnum)


def known(enum: Type[_Enum], value: int) -> int:
    """The member of a value that the library gave; the value itself if the library is newer than this package."""
    try:
        return enum(value)
    except ValueError:
        return value


def member(enum: Type[_Enum], given: Union[str, int], name: str) -> _Enum:
    """The member that a user means by its name, in any case and with - or _, or by its value."""
    try:
        return enum[given.upper().replace("-", "_")] if isinstance(given, str) else enum(given)
    except (KeyError, ValueError):
        known = ", ".join(one.name.lower().replace("_", "-") for one in enum)
        raise ValueError(f"{name} is {given!r}; it must be one of {known}") from None
