"""The command `fanreel`."""

import os
import sys

import typer

from fanreel.commands import doctor, eval, models, run, status, up
from fanreel.commands.analyze import analyze
from fanreel.commands.cutout import cutout
from fanreel.commands.export import export
from fanreel.commands.run import INTERRUPTED
from fanreel.errors import FanreelError
from fanreel.local.processes import project_root

app = typer.Typer(
    help="A broadcast goes in, every fan who appeared in it gets their own video out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(run.run)
app.command()(up.up)
app.command()(status.status)
app.command()(analyze)
app.command()(cutout)
app.command()(export)
app.command()(doctor.doctor)
app.add_typer(models.app, name="models")
app.add_typer(eval.app, name="eval")


def main() -> None:
    """Run the command line; errors are one line, an interrupt or a closed pipe is no traceback."""
    # Wherever the command is called from, the networks lie in the checkout.
    os.environ.setdefault("FANREEL_MODEL_DIR", str(project_root() / ".fanreel" / "models"))
    try:
        app()
    except FanreelError as error:
        sys.stderr.write(f"fanreel: {error.message} ({error.code})\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has left; writing the rest would only raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
