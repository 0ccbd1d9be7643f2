"""`fanreel eval`: accuracy, on labelled material."""

import typer

from fanreel.commands.eval_attributes import attributes
from fanreel.commands.eval_expression import expression
from fanreel.commands.eval_shots import shots

app = typer.Typer(help="Measure accuracy on labelled material.", no_args_is_help=True)
app.command()(attributes)
app.command()(expression)
app.command()(shots)
