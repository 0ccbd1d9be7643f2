"""`fanreel eval`: accuracy, on labelled material."""

import logging

import structlog
import typer

from fanreel.commands.eval_attributes import attributes
from fanreel.commands.eval_broadcast import broadcast
from fanreel.commands.eval_expression import expression
from fanreel.commands.eval_shots import shots
from fanreel.commands.eval_sound import sound
from fanreel.commands.eval_verification import verification_command

app = typer.Typer(no_args_is_help=True)
app.command()(attributes)
app.command()(broadcast)
app.command()(expression)
app.command()(shots)
app.command()(sound)
app.command("verification")(verification_command)


@app.callback()
def quiet() -> None:
    """Measure accuracy on labelled material."""
    # The pipeline's own events would run into the tables.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
