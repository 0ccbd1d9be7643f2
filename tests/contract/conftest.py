"""The app's functions, listed once: the SDK refuses to list an app twice."""

import importlib
from typing import Any

import pytest


@pytest.fixture(scope="session")
def fanreel_functions() -> dict[str, Any]:
    """Every function of function_app.py by name."""
    app: Any = importlib.import_module("function_app").app
    return {function.get_function_name(): function for function in app.get_functions()}
