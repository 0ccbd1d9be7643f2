"""The Functions app: every trigger, orchestrator and activity registered, nothing else."""

import azure.durable_functions as df
import azure.functions as func

import activities
import functions
import orchestrators
from fanreel.adapters.telemetry import configure_telemetry
from fanreel.settings import get_settings

configure_telemetry(get_settings())

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
for blueprint in (*functions.blueprints, orchestrators.blueprint, activities.blueprint):
    app.register_functions(blueprint)
