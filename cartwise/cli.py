"""The command line: ``cartwise COMMAND``; every command teaches itself with ``--help``."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import typer

from cartwise import __version__
from cartwise.errors import CartwiseError
from cartwise.outputs import prepare, unfailing_stderr, write
from cartwise.settings import Settled, file_settings, settings_file
from cartwise.unasked import unasked

FIRST_STEPS: Final = "First steps"
STEP_BY_STEP: Final = "Step by step"
LIVE: Final = "Live"
REGISTRY: Final = "Which model serves"


_INTERRUPTED: Final = (128 + signal.SIGINT, 128 + signal.SIGTERM)


class Command(NamedTuple):
    """A command, or a group of commands: its module in ``cartwise.commands`` has it by its name.

    ``help`` is what the list of commands says; a command's own ``--help`` says more.
    """

    name: str
    module: str
    panel: str
    help: str

    @property
    def ends_by_itself(self) -> bool:
        """Whether it works through something, so that to interrupt it is not its usual end."""
        return self.panel == STEP_BY_STEP or self.name in {"run", "simulate"}

    def load(self) -> Any:
        """The command's function, or the application of a group."""
        # XGBoost would load it where it is installed: most of a second at every start.
        with unasked("sklearn"):
            return getattr(import_module(f"cartwise.commands.{self.module}"), self.name)


COMMANDS: Final = (
    Command("demo", "demo", FIRST_STEPS, "Simulate a shop, train on it, watch it live."),
    Command("run", "run", FIRST_STEPS, "Take raw event files to a calibrated model."),
    Command("simulate", "simulate", FIRST_STEPS, "Write the log of a made-up shop, and the truth."),
    Command("ingest", "data", STEP_BY_STEP, "Read raw event files into a lake."),
    Command("features", "data", STEP_BY_STEP, "Replay a lake into a training set."),
    Command("train", "model", STEP_BY_STEP, "Train and calibrate a model."),
    Command("evaluate", "model", STEP_BY_STEP, "Measure a model on the test part."),
    Command("score", "model", STEP_BY_STEP, "Score every cart of a lake."),
    Command("stream", "stream", LIVE, "Follow the topic of events: states and scores."),
    Command("archive", "lake", LIVE, "Write the topic of events to the lake."),
    Command("materialize", "lake", LIVE, "Load the states of a lake into a store."),
    Command("replay", "replay", LIVE, "Play a log into the topic of events."),
    Command("serve", "serve", LIVE, "Answer carts over HTTP."),
    Command("store", "store", LIVE, "Look into a store of states, and compare two."),
    Command("keys", "keys", LIVE, "Make, list and revoke API keys."),
    Command("ui", "ui", LIVE, "Show the page: score, watch, understand."),
    Command("models", "models", REGISTRY, "Show the registered models, or two side by side."),
    Command(
        "promote", "models", REGISTRY, "Hold a model against the champion; let the gate decide."
    ),
    Command("rollback", "models", REGISTRY, "Let the champion before the present one serve again."),
)


def main() -> None:
    """Run the command line; an expected error is one sentence and its exit code."""
    prepare()
    with unfailing_stderr():
        _run()


def _run() -> None:
    signal.signal(signal.SIGTERM, _stop)
    # Threads that train would else burn, to wait for each other, what other programs compute with:
    # on a busy machine that took four times as long. Read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        if settings_file() is None:
            build_app(_named(sys.argv[1:]))()
        else:
            app = build_app({command.name for command in COMMANDS})
            app(default_map=file_settings(_options_by_command(app)))
    except CartwiseError as error:
        sys.stderr.write(f"cartwise: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        # Before a command has begun: its libraries take seconds to load.
        _tell_interruption()
        sys.exit(128 + signal.SIGINT)
    except SystemExit as end:
        if end.code in _INTERRUPTED:
            _tell_interruption()
        raise
    except PermissionError as error:
        if error.filename is None:
            raise
        # Wherever somebody looks whether something is there, below a folder that is closed.
        sys.stderr.write(
            f"cartwise: {error.filename} may not be reached: check its permissions and those of "
            "the folders above it\n"
        )
        sys.exit(1)
    except RuntimeError as error:
        # So pathlib tells it, wherever somebody asks where a path leads to.
        if not str(error).startswith("Symlink loop"):
            raise
        sys.stderr.write(f"cartwise: {error}: mend the link, or choose another path\n")
        sys.exit(1)
    except OSError as error:
        if write(sys.stdout, "\n"):
            raise
        sys.stderr.write(f"cartwise: the standard output cannot be written: {error.strerror}\n")
        sys.exit(1)


def _tell_interruption() -> None:
    """Say of a command that ends by itself that it has not, and that nothing is lost."""
    wanted = _named(sys.argv[1:])
    if any(one.name in wanted and one.ends_by_itself for one in COMMANDS):
        # A terminal has written ^C.
        line = "\n" if sys.stderr.isatty() else ""
        line += "cartwise: interrupted; nothing is half-written: run it again\n"
        sys.stderr.write(line)


def _stop(number: int, _frame: object) -> NoReturn:
    # An exit, unlike death by the signal, lets every block put its own things in order.
    raise SystemExit(128 + number)


def _named(arguments: Sequence[str]) -> set[str]:
    """The command that a command line names: its first argument that is no option."""
    return {*[argument for argument in arguments if not argument.startswith("-")][:1]}


def build_app(wanted: set[str]) -> typer.Typer:
    """The application with all commands, of which only the ``wanted`` ones are loaded.

    Libraries of all commands together take seconds to import; the others are there for the list.
    """
    app = typer.Typer(
        name="cartwise",
        cls=Settled,
        help="How likely is a product that was just put into a cart to be bought?\n\n"
        "Start with 'cartwise demo', or give your own event files to 'cartwise run'. Every option "
        "may also be set in cartwise.toml, and what several commands share as CARTWISE_<OPTION> in "
        "the environment.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_version)
    for command in COMMANDS:
        _register(app, command, command.load() if command.name in wanted else _not_loaded)
    return app


def _register(app: typer.Typer, command: Command, loaded: Any) -> None:
    name, panel, told = command.name, command.panel, command.help
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=name, rich_help_panel=panel, short_help=told)
    else:
        app.command(name, rich_help_panel=panel, short_help=told)(loaded)


def _not_loaded() -> None:
    raise AssertionError("only the command that is named on the command line is loaded")


def _options_by_command(app: typer.Typer) -> dict[str, dict[str, str]]:
    return dict(_options(vars(typer.main.get_command(app))["commands"]))


def _options(commands: dict[str, Any], group: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Every command, with its group before its name, and the parameter that each option sets."""
    for name, command in commands.items():
        if below := vars(command).get("commands"):
            yield from _options(below, f"{name} ")
        else:
            options = ((option, p.name) for p in command.params for option in p.opts)
            yield group + name, {o[2:]: name for o, name in options if o.startswith("--")}


def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        sys.stdout.write(f"cartwise {__version__}\n")
        raise typer.Exit
