"""Drives orchestrator generators without a host: records what they ask for, answers what a test says."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class FakeTask:
    kind: str
    name: str = ""
    input: Any = None
    instance_id: str | None = None
    children: list["FakeTask"] = field(default_factory=list)
    fire_at: datetime | None = None
    cancelled: bool = False
    attempts: int = 1

    def cancel(self) -> None:
        self.cancelled = True


class FakeContext:
    """Stands for time and the Durable host only; the orchestrator itself is the real one."""

    def __init__(self, work: Any, instance_id: str = "instance") -> None:
        self.instance_id = instance_id
        self.current_utc_datetime = START
        self.statuses: list[Any] = []
        self.timers: list[FakeTask] = []
        self._work = work

    def get_input(self) -> Any:
        return self._work

    def set_custom_status(self, status: Any) -> None:
        self.statuses.append(status)

    def call_activity_with_retry(self, name: str, retry: Any, work: Any) -> FakeTask:
        return FakeTask("activity", name, work, attempts=retry.max_number_of_attempts)

    def call_sub_orchestrator(self, name: str, work: Any, instance_id: str | None = None) -> FakeTask:
        return FakeTask("sub", name, work, instance_id)

    def wait_for_external_event(self, name: str) -> FakeTask:
        return FakeTask("event", name)

    def create_timer(self, fire_at: datetime) -> FakeTask:
        timer = FakeTask("timer", fire_at=fire_at)
        self.timers.append(timer)
        return timer

    def task_all(self, tasks: list[FakeTask]) -> FakeTask:
        return FakeTask("all", children=tasks)

    def task_any(self, tasks: list[FakeTask]) -> FakeTask:
        return FakeTask("any", children=tasks)

    def pass_seconds(self, seconds: float) -> None:
        self.current_utc_datetime += timedelta(seconds=seconds)


@dataclass
class Run:
    """What a driven orchestrator did."""

    asked: list[FakeTask]
    result: Any = None
    error: BaseException | None = None

    def names(self) -> list[str]:
        """Names of everything asked for, in order; compound tasks by their kind."""
        return [task.name or task.kind for task in self.asked]


def drive(steps: Generator[Any, Any, Any], answer: Callable[[FakeTask], Any]) -> Run:
    """Run to the end; an exception that `answer` returns is thrown into the orchestrator."""
    run = Run([])
    reply: Any = None
    try:
        task = next(steps)
        while True:
            run.asked.append(task)
            reply = answer(task)
            task = steps.throw(reply) if isinstance(reply, Exception) else steps.send(reply)
    except StopIteration as stop:
        run.result = stop.value
    except Exception as error:
        run.error = error
    return run
