"""`fanreel eval`: accuracy, on labelled material."""

import typer

from fanreel.commands.eval_attributes import attributes
from fanreel.commands.eval_broadcast import broadcast
from fanreel.commands.eval_expression import expression
from fanreel.commands.eval_shots import shots
from fanreel.commands.eval_verification import verification_command

app = typer.Typer(help="Measure accuracy on labelled material.", no_args_is_help=True)
app.command()(attributes)
app.command()(broadcast)
app.command()(expression)
app.command()(shots)
app.command("verification")(verification_command)
