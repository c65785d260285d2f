"""``python -m cartwise`` is ``cartwise``."""

from cartwise.cli import main

main()
