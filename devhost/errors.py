"""Every failure the host raises on its own account.

HostError
├── AppError            the app cannot be loaded or its declarations contradict each other
├── ConfigError         host.json, local.settings.json or a setting is wrong or missing
├── PortInUseError      another process listens on the asked port
├── StateInUseError     another host runs on the same state folder
├── FunctionFailedError user code raised; carries its type and message
└── DurableError        a request about an orchestration instance cannot be served
    ├── UnknownFunctionError      no such orchestrator, activity or sub-orchestrator
    ├── InstanceNotFoundError     no such instance id
    ├── InstanceConflictError     the id belongs to an instance that still runs
    ├── InvalidTransitionError    suspend, resume or rewind in the wrong state
    ├── NonDeterminismError       the orchestrator's actions contradict its history
    └── UnsupportedActionError    entities, durable HTTP: not offered by this host
"""


class HostError(Exception):
    """Root of the host's own errors; the message is one line for a person."""


class AppError(HostError):
    """The function app cannot be loaded; fix the app."""


class ConfigError(HostError):
    """A configuration file or setting is wrong; fix it and start again."""


class PortInUseError(HostError):
    """The HTTP port is taken; stop the other process or pass ``--port``."""


class StateInUseError(HostError):
    """Another host already runs on this state folder; pass ``--state``."""


class FunctionFailedError(HostError):
    """User code raised. ``str()`` is ``Type: message``, as the Python worker reports it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


class DurableError(HostError):
    """A durable request cannot be served."""


class UnknownFunctionError(DurableError):
    """The named orchestrator or activity is not declared in the app."""


class InstanceNotFoundError(DurableError):
    """No orchestration instance has this id."""


class InstanceConflictError(DurableError):
    """An instance with this id exists and has not finished."""


class InvalidTransitionError(DurableError):
    """The instance is not in a state that allows the operation."""


class NonDeterminismError(DurableError):
    """The orchestrator's actions contradict its recorded history."""


class UnsupportedActionError(DurableError):
    """The orchestrator used a Durable feature this host does not offer."""
