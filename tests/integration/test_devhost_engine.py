"""The durable engine in this process, over a real database: what it keeps of instances that have ended."""

import asyncio
import gc
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest

from devhost.config import DurableOptions
from devhost.durable.engine import Engine
from devhost.durable.episode import LiveInstance
from devhost.durable.operations import Operations
from devhost.durable.store import Store, TimerRow
from devhost.loader import LoadedFunction, index_app

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:azure.functions df_loads was called without expected_type"),
]


def app_functions() -> list[LoadedFunction]:
    app: Any = df.DFApp()

    def work(number: int) -> int:
        return number + 1

    def simple(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        return (yield context.call_activity("work", 1))

    def failing(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.call_activity("work", 1)
        raise ValueError("on purpose")

    def parent(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        return (yield context.task_all([context.call_sub_orchestrator("simple") for _ in range(3)]))

    def renewing(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        left: Any = context.get_input()
        yield context.call_activity("work", left)
        if left:
            context.continue_as_new(left - 1)

    def waiting(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.wait_for_external_event("never")

    def sleeping(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=5))

    app.activity_trigger(input_name="number")(work)
    for code in (simple, failing, parent, renewing, waiting, sleeping):
        app.orchestration_trigger(context_name="context")(code)
    return index_app(app)


async def call(function: LoadedFunction, value: Any) -> Any:
    return function.call(value)


def in_memory(kind: type[object]) -> int:
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


def test_histories_of_ended_instances_leave_memory(tmp_path: Path) -> None:
    async def story() -> tuple[int, int]:
        store = Store(tmp_path / "durable.db")
        engine = Engine(store, app_functions(), call, DurableOptions())
        operations = Operations(engine)
        engine.start()
        ids = [operations.start(name, '"2"') for name in ("simple", "failing", "parent", "renewing") * 5]
        for instance_id in ids:
            assert await engine.wait_finished(instance_id, 20)
        waiting = [operations.start("waiting", None) for _ in range(4)]
        while any(operations.get(each).status != "Running" for each in waiting):
            await asyncio.sleep(0.02)
        kept = in_memory(LiveInstance)
        operations.terminate(waiting[0], "enough")
        operations.terminate(waiting[1], "enough")
        assert await engine.wait_finished(waiting[0], 20)
        assert await engine.wait_finished(waiting[1], 20)
        operations.purge(waiting[2])
        after = in_memory(LiveInstance)
        await engine.stop()
        store.close()
        return kept, after

    assert asyncio.run(story()) == (4, 1), "only instances that still run are kept"


def test_timers_of_ended_instances_leave_memory_and_database(tmp_path: Path) -> None:
    async def story() -> tuple[int, int, int]:
        store = Store(tmp_path / "durable.db")
        engine = Engine(store, app_functions(), call, DurableOptions())
        operations = Operations(engine)
        engine.start()
        ids = [operations.start("sleeping", None) for _ in range(3)]
        while len(store.timers()) < 3:
            await asyncio.sleep(0.02)
        armed = in_memory(TimerRow)
        operations.terminate(ids[0], "enough")
        assert await engine.wait_finished(ids[0], 20)
        operations.purge(ids[1])
        left, recorded = in_memory(TimerRow), len(store.timers())
        await engine.stop()
        store.close()
        return armed, left, recorded

    assert asyncio.run(story()) == (3, 1, 1)
