"""The page's own process."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import gradio as gr

from cartwise.disk import writable
from cartwise.errors import OutputError
from cartwise.hosts import is_loopback
from cartwise.page.style import CSS, theme

_COPIES: Final = "GRADIO_TEMP_DIR"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for what visitors send and fetch: nobody else may read it, and it goes at the end.

    To be opened before the page is made, since Gradio's own copies lie there, too. Where somebody
    has set where these lie, it is made there.
    """
    before = os.environ.get(_COPIES)
    if before:
        with writable(Path(before)):
            Path(before).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix="cartwise-page-", dir=before, ignore_cleanup_errors=True
    ) as name:
        os.environ[_COPIES] = name
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ[_COPIES]
            else:
                os.environ[_COPIES] = before


@contextmanager
def open_page(
    page: gr.Blocks, host: str, port: int, login: tuple[str, str] | None = None
) -> Iterator[str]:
    """Serve a page while the block lasts; gives its address.

    ``login`` is the name and password that everybody must give.

    Raises:
        OutputError: the port is taken, or a page for others than this machine has no login.
    """
    if not is_loopback(host) and login is None:
        raise OutputError(
            f"a page at {host} would be open to everybody who reaches it: set "
            "CARTWISE_PAGE_PASSWORD, or listen on 127.0.0.1"
        )
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port or _free_port(host),
            auth=login,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            footer_links=[],
            theme=theme(),
            css=CSS,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            max_file_size="20mb",
        )
    except OSError as error:
        raise OutputError(
            f"the page cannot listen at {host}:{port}: choose another port"
        ) from error
    try:
        yield url
    finally:
        page.close(verbose=False)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as listening:
        return int(listening.getsockname()[1])
