"""What `stream` and `record` ask for beyond symbols and intervals: fields of quotes, a time zone, no more than an account may."""

from __future__ import annotations

import re
from dataclasses import fields as fields_of
from typing import TypedDict

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.protocol.fields import ALL, FIELD_SETS
from tvstreamer.protocol.limits import PLANS, Limits

_LIMITS = tuple(each.name for each in fields_of(Limits))
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


class Asking(TypedDict):
    """What a `TvWSClient` takes of it."""

    fields: str | list[str]
    timezone: str | None
    limits: Limits | str | None


def asking(*, quotes: bool, fields: str | None, timezone: str | None, limits: str | None) -> Asking:
    """What the options mean. Raises `InvalidPlan`."""
    if fields is not None and not quotes:
        raise InvalidPlan(f"--fields {shorten(fields)}: expected --quotes with it, as the fields are those of quotes")
    return Asking(
        fields="default" if fields is None else names(fields),
        timezone=timezone,
        limits=None if limits is None else _limits(limits),
    )


def names(fields: str) -> str | list[str]:
    """The fields that `--fields` means: a set by its name, or names."""
    return fields if fields in (ALL, *FIELD_SETS) else fields.split(",")


def _limits(text: str) -> Limits | str:
    """A plan by its name, or `history=5000,series=10,quotes=50`, of which any may be left out."""
    if text in PLANS:
        return text
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name not in _LIMITS or name in found or not _NUMBER.fullmatch(number):
            known = f"{', '.join(PLANS)}, or some of {', '.join(f'{each}=N' for each in _LIMITS)}"
            raise InvalidPlan(f"--limits {shorten(text)}: {shorten(part)}: expected {known}")
        found[name] = int(number)
    return Limits(**found)
