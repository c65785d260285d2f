"""``python -m deploy.services up [NAME…] [--port NAME=NUMBER]`` and ``down``."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from deploy.services import environment
from deploy.services.fleet import NAMES, Fleet
from deploy.services.server import Server, Unavailable


def main() -> int:
    """Do what the command line says; 0 where all that was asked for runs."""
    arguments = _parser().parse_args()
    fleet = Fleet(environment.FOLDER)
    if arguments.action == "down":
        return _down(fleet)
    for name, port in arguments.port:
        fleet[name].kept.put("port", port)
    return _up(fleet, arguments.names or NAMES)


def _up(fleet: Fleet, names: Sequence[str]) -> int:
    told: dict[str, str] = {}
    with ThreadPoolExecutor() as threads:
        for name, line in threads.map(lambda name: (name, _start(fleet, name)), names):
            told[name] = line
            print(f"  {name:<10} {line}", flush=True)
    running = [server for server in fleet if server.process.runs()]
    addresses = {name: value for server in running for name, value in server.addresses().items()}
    environment.write(addresses)
    print(f"Their addresses are in {environment.FILE.name}: set -a; . ./{environment.FILE.name}")
    return 0 if all(fleet[name] in running for name in names) else 1


def _start(fleet: Fleet, name: str) -> str:
    try:
        return "started" if fleet.start(name) else "runs already"
    except Unavailable as reason:
        return f"not started: {reason}"


def _down(fleet: Fleet) -> int:
    environment.FILE.unlink(missing_ok=True)
    for group in fleet.in_order_of_end():
        with ThreadPoolExecutor() as threads:
            for server, ran in zip(group, threads.map(Server.stop, group), strict=True):
                print(f"  {server.name:<10} {'stopped' if ran else 'did not run'}", flush=True)
    return 0


def _name(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"'{text}' is none of: {', '.join(NAMES)}")
    return text


def _port(text: str) -> tuple[str, str]:
    name, _, number = text.partition("=")
    if name not in NAMES or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not like redis=6379")
    return name, number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.services", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="start the servers and wait until they answer")
    up.add_argument("names", nargs="*", type=_name, metavar="NAME", help=", ".join(NAMES))
    up.add_argument("--port", type=_port, action="append", default=[], metavar="NAME=NUMBER")
    actions.add_parser("down", help="end them and wait until they are gone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
