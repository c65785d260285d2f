"""``cartwise ui``."""

import os
import sys
import time
from typing import Annotated, Final

import typer

from cartwise.errors import ApiError
from cartwise.page.app import create_page
from cartwise.page.client import Client, KeyRefused
from cartwise.page.serving import open_page, private_folder

KEY_VARIABLE: Final = "CARTWISE_KEY"
PASSWORD_VARIABLE: Final = "CARTWISE_PAGE_PASSWORD"  # noqa: S105 - a variable's name
NEW_KEY: Final = "cartwise keys create page --scope score --scope read"
DEFAULT_API: Final = "http://127.0.0.1:8000"


def ui(
    api: Annotated[
        str, typer.Option(envvar="CARTWISE_API_URL", show_envvar=False, help="Of 'cartwise serve'.")
    ] = DEFAULT_API,
    host: Annotated[str, typer.Option(help="Where the page listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 7860,
    user: Annotated[str, typer.Option(help="Name to log in with.")] = "shop",
) -> None:
    """Show the page: score a cart and see why, watch carts come in, score a CSV, read the report.

    It talks to the API with the key in CARTWISE_KEY, which needs the scopes score and read; make
    one with 'cartwise keys create page --scope score --scope read'. With CARTWISE_PAGE_PASSWORD
    set, everybody must log in; without it, the page listens on this machine only.
    """
    client = Client(api, os.environ.get(KEY_VARIABLE))
    password = os.environ.get(PASSWORD_VARIABLE)
    login = (user, password) if password else None
    with (
        private_folder() as folder,
        open_page(create_page(client, folder), host, port, login) as url,
    ):
        _warn_of_the_api(client)
        sys.stderr.write(f"the page is at {url} (Ctrl-C ends it)\n")
        # Not pause(), which would not hear of a signal that came just before it.
        while True:
            time.sleep(1)


def _warn_of_the_api(client: Client) -> None:
    # Only warn: an API that is away may come.
    try:
        client.status()
    except KeyRefused as refused:
        given = "whose key is in" if os.environ.get(KEY_VARIABLE) else "which has no key in"
        sys.stderr.write(
            f"the API at {client.url} refuses the page, {given} {KEY_VARIABLE} ({refused}): "
            f"make one where the API runs, with '{NEW_KEY}', and start the page with it\n"
        )
    except ApiError as error:
        sys.stderr.write(f"{error}\n")
