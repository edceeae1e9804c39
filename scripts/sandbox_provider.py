#!/usr/bin/env python
"""Run the sandbox: a local stand-in for the provider, with faults on demand."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from common.process import end_with_parent
from scripts.sandbox import DEFAULT_TOKEN, BadFaults, Faults, Sandbox, Service
from scripts.sandbox.faults import NO_FAULTS, SHARES

_EPILOG = """\
Prints the base URL (the value for MAILING_PROVIDER_URL) as one line. A page at the root of the same address
shows the texts received by number, lets one answer them, and has the switches. The control API:
  GET, PATCH /sandbox/faults   GET /sandbox/stats   GET /sandbox/messages?id=&phone=&limit=   POST /sandbox/reset
  GET /sandbox/conversations?contains=&limit=   POST /sandbox/replies  {"phone": 79161234567, "text": "STOP"}
  curl -X PATCH http://127.0.0.1:8090/sandbox/faults -d '{"share_5xx": 0.2, "latency_seconds": [0.01, 0.2]}'
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 8090), metavar="HOST:PORT",
                        help="where to listen, port 0: a free one (127.0.0.1:8090)")  # fmt: skip
    parser.add_argument("--token", default=DEFAULT_TOKEN, help=f"the bearer token to accept ({DEFAULT_TOKEN})")
    parser.add_argument("--seed", type=int, default=0, help="decides which messages fail (0)")
    parser.add_argument("--keep", type=int, default=1000, help="messages whose text and calls are kept (1000)")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME",
                        help="may be called by this name too, not only addresses, localhost; repeat it")  # fmt: skip
    replies = parser.add_argument_group("what people answer goes to the service")
    replies.add_argument("--service-url", metavar="URL", help="address of the gateway, without a path")
    replies.add_argument("--service-token-file", type=Path, metavar="FILE",
                         help="has a token of the role provider; read at each reply")  # fmt: skip
    faults = parser.add_argument_group("faults to begin with")
    faults.add_argument("--latency-seconds", metavar="S[-S]", help="each answer waits so long; a range: 0.01-0.2")
    for name in SHARES:
        faults.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="SHARE", help="0 to 1")
    faults.add_argument("--retry-after", metavar="SECONDS|DATE|date+N", help="sent with 429 and 503")
    faults.add_argument("--outage", choices=["503", "reset"], help="fail every call")
    faults.add_argument("--reject-token", choices=["401", "403"], help="refuse the token, even the right one")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError("should look like 127.0.0.1:8090")
    return host.strip("[]"), int(port)


def _faults(arguments: argparse.Namespace) -> Faults:
    changes: dict[str, object] = {name: value for name in SHARES if (value := getattr(arguments, name)) is not None}
    if arguments.latency_seconds is not None:
        parts = [_number_or_text(part) for part in arguments.latency_seconds.split("-")]
        changes["latency_seconds"] = parts if len(parts) > 1 else parts[0]
    if arguments.retry_after is not None:
        changes["retry_after"] = _number_or_text(arguments.retry_after)
    if arguments.outage is not None:
        changes["outage"] = arguments.outage == "503" or "reset"
    if arguments.reject_token is not None:
        changes["reject_token"] = int(arguments.reject_token)
    return NO_FAULTS.changed(changes) if changes else NO_FAULTS


def _number_or_text(text: str) -> float | str:
    with contextlib.suppress(ValueError):
        return float(text)
    return text


async def _run(arguments: argparse.Namespace, faults: Faults) -> None:
    host, port = arguments.listen
    sandbox = await Sandbox.start(
        port,
        host=host,
        token=arguments.token,
        faults=faults,
        seed=arguments.seed,
        keep=arguments.keep,
        names=arguments.allow_host,
        service=arguments.service_url and Service(arguments.service_url.rstrip("/"), arguments.service_token_file),
    )
    async with sandbox:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        print(sandbox.url, flush=True)
        print(f"Texts received: {sandbox.root_url}/  (Ctrl-C stops)", file=sys.stderr, flush=True)
        await stopped.wait()


def main() -> int:
    """Return the exit code: 2 for bad arguments, 1 when the address can't be listened on."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.keep < 0:
        parser.error("argument --keep: should be 0 or more")
    if (arguments.service_url is None) != (arguments.service_token_file is None):
        parser.error("--service-url and --service-token-file need each other")
    try:
        faults = _faults(arguments)
    except BadFaults as error:
        parser.error(str(error))
    end_with_parent(stop_seconds=1.0)
    try:
        uvloop.run(_run(arguments, faults))
    except OSError as error:
        print(
            f"sandbox: can't listen on {arguments.listen[0]}:{arguments.listen[1]}: {error.strerror}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
