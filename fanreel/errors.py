"""The one error tree.

    FanreelError
    ├── InputRejected    the input cannot be used; never retried; the caller is told what to change
    ├── TransientFault   try again later, with back-off
    ├── ModelFault       a network or its device is broken; the worker exits, the job goes back
    ├── ContractBroken   two parts disagree about a message, a document or an embedding: a bug
    └── NotAllowed       the caller may not do this (no consent, not theirs)

Every error carries a stable snake_case `code` for machines, a `message` for people that says what to
change, and `details` for logs (ids and numbers only: never a face, a template or a signed URL).
"""

from collections.abc import Mapping


class FanreelError(Exception):
    """Root of everything fanreel raises on purpose."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details: Mapping[str, object] = details


class InputRejected(FanreelError):
    """The uploaded or requested thing cannot be used as it is; retrying changes nothing."""


class TransientFault(FanreelError):
    """A dependency did not answer; the same call may succeed later."""


class ModelFault(FanreelError):
    """A network file, an execution provider or a device does not work; this process must not go on."""


class ContractBroken(FanreelError):
    """A message, document or embedding does not fit its contract; continuing would corrupt data."""


class NotAllowed(FanreelError):
    """The caller has no right (or gave no consent) for this action."""
