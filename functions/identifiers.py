"""Ids that clients choose: the names of events and fans."""

import re

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def is_identifier(text: str) -> bool:
    """Say whether `text` may be an event's or a fan's id: 1..63 letters, digits, - and _, no leading sign."""
    return _IDENTIFIER.fullmatch(text) is not None
