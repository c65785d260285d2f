"""``cartwise demo``."""

import sys
import time
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console

from cartwise.commands.run import run_summary
from cartwise.counting import counted
from cartwise.data.simulate import simulate as simulate_shop
from cartwise.errors import NotEnoughData
from cartwise.live_demo import LiveShop, Ports, Storefront
from cartwise.options import Seed, checked
from cartwise.pipeline import run as run_pipeline
from cartwise.progress import Progress
from cartwise.streaming.pacing import parse_speed
from cartwise.terminal import open_progress

_FEWEST_DAYS: Final = 3
"""The embargo takes a horizon, which is a day, and so do outcomes that are not known at the end."""

Port = Annotated[int, typer.Option(min=1, max=65_535, help="Where the API listens.")]


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demonstration.")] = Path("demo"),
    sessions: Annotated[int, typer.Option(min=1, help="Visits to the simulated shop.")] = 150_000,
    days: Annotated[int, typer.Option(min=_FEWEST_DAYS, help="Days that it is trained on.")] = 28,
    seed: Seed = 7,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Then let the shop go on living, live.")
    ] = True,
    speed: Annotated[
        str, typer.Option(callback=checked(parse_speed), help="How fast it lives: 60x, max.")
    ] = "60x",
    api_port: Port = 8000,
    page_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Where the page listens.")
    ] = 7860,
) -> None:
    """Simulate a shop, take its log through everything, and watch its carts live on a page.

    The last day is not trained on: it is played, event by event, while an API scores its carts and
    a page shows them. Ctrl-C ends all of it.
    """
    pace, ports = parse_speed(speed), Ports(api_port, page_port)
    if serve:
        ports.require_free()
    progress = open_progress()
    name = f"{sessions}-sessions-{days}-days-seed-{seed}"
    raw, trained, live = (out / f"{kind}-{name}" for kind in ("shop", "run", "live"))
    if not raw.exists():
        simulate_shop(raw, sessions=sessions, days=days + 1, seed=seed, progress=progress)
    today = _train(raw, trained, sessions, days, progress)
    if serve:
        _serve(LiveShop(trained, [today], live, pace), ports, speed, progress)


def _train(raw: Path, trained: Path, sessions: int, days: int, progress: Progress) -> Path:
    """Take a shop's days through everything; returns the log of its last one, which is left out."""
    *past, today = sorted(raw.glob("*.csv"))
    try:
        result = run_pipeline(past, trained, truth=raw / "truth.parquet", progress=progress)
    except NotEnoughData as error:
        # What a log lacks, and how to read it otherwise, is no advice on a simulated one.
        raise NotEnoughData(
            f"{counted(sessions, 'visit')} in {counted(days, 'day')} are too few to learn from: "
            "pass more --sessions"
        ) from error
    Console().print(run_summary(result), crop=False)
    return today


def _serve(shop: LiveShop, ports: Ports, speed: str, progress: Progress) -> None:
    with shop.open(ports, progress) as storefront:
        try:
            _tell(ports, speed)
            _live(shop, storefront)
        except KeyboardInterrupt:
            # A terminal has written ^C.
            line = "\n" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{line}Closing the shop …\n")


def _live(shop: LiveShop, storefront: Storefront) -> NoReturn:
    """Play the shop's day, and go on until Ctrl-C."""
    events = shop.play(storefront)
    sys.stderr.write(
        f"the day is over: {counted(events, 'event')}, "
        f"{counted(storefront.carts, 'cart')} scored. "
        "API and page go on until Ctrl-C.\n"
    )
    while True:
        time.sleep(1)


def _tell(ports: Ports, speed: str) -> None:
    Console(stderr=True).print(
        f"\n[bold]The shop is open.[/] Its last day goes by at {speed}:\n\n"
        f"  page  http://127.0.0.1:{ports.page}    carts as they come, and why they score so\n"
        f"  API   http://127.0.0.1:{ports.api}/docs\n\n"
        "Ctrl-C ends all of it.\n",
        highlight=False,
    )
