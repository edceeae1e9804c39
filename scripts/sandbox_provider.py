#!/usr/bin/env python
"""Run the sandbox: a local stand-in for the provider, with faults on demand."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from common.process import end_with_parent
from scripts.sandbox import BadSwitches, Faults, Sandbox, Service
from scripts.sandbox.courier import PATH
from scripts.sandbox.faults import NO_FAULTS, SHARES
from scripts.sandbox.receipts import NO_RECEIPTS, RECEIPT_SHARES
from scripts.sandbox.service import Target
from scripts.sandbox_names import DEFAULT_TOKEN, NAMES

_EPILOG = """\
Prints the base URL (the value for MAILING_PROVIDER_URL) as one line, of each provider. A page at the root of the
same address shows the texts received by number, lets one answer them, and has the switches. The control API:
  GET, PATCH /sandbox/faults   GET, PATCH /sandbox/receipts   GET /sandbox/stats
  GET /sandbox/messages?id=&phone=&limit=
  GET /sandbox/providers   POST /sandbox/reset
  GET /sandbox/conversations?contains=&limit=   POST /sandbox/replies  {"phone": 79161234567, "text": "STOP"}
The first two lines are each provider's: those of the second one are /beta/sandbox/faults and so on, its URL ends
with /beta/v1 and its token with -beta.
  curl -X PATCH http://127.0.0.1:8090/sandbox/faults -d '{"share_5xx": 0.2, "latency_seconds": [0.01, 0.2]}'
  curl -X PATCH http://127.0.0.1:8090/beta/sandbox/receipts -d '{"enabled": true, "share_undelivered": 0.1}'
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
    parser.add_argument("--providers", type=int, choices=range(1, len(NAMES) + 1), default=1,
                        help=f"how many, named {', '.join(NAMES)} (1)")  # fmt: skip
    service = parser.add_argument_group("what people answer, and receipts, go to the service")
    service.add_argument("--service-url", metavar="URL", help="address of the gateway, without a path")
    service.add_argument("--service-token-file", type=Path, metavar="FILE",
                         help="has a token of the role provider; read at each call")  # fmt: skip
    service.add_argument("--receipts-url", metavar="URL", help=f"the whole of it (the service's {PATH})")
    receipts = parser.add_argument_group("receipts to begin with")
    receipts.add_argument("--receipts", action="store_true", help="send them")
    receipts.add_argument("--delay-seconds", metavar="S[-S]", help="so long after the call; a range: 1-5")
    for name in RECEIPT_SHARES:
        receipts.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="SHARE", help="0 to 1")
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
    changes = _given(arguments, SHARES, "latency_seconds")
    if arguments.retry_after is not None:
        changes["retry_after"] = _number_or_text(arguments.retry_after)
    if arguments.outage is not None:
        changes["outage"] = arguments.outage == "503" or "reset"
    if arguments.reject_token is not None:
        changes["reject_token"] = int(arguments.reject_token)
    return NO_FAULTS.changed(changes) if changes else NO_FAULTS


def _receipts(arguments: argparse.Namespace) -> Mapping[str, object]:
    changes = _given(arguments, RECEIPT_SHARES, "delay_seconds") | {"enabled": arguments.receipts}
    NO_RECEIPTS.changed(changes)
    return changes


def _given(arguments: argparse.Namespace, shares: Sequence[str], seconds: str) -> dict[str, object]:
    """The switches that were given, as JSON has them."""
    changes: dict[str, object] = {name: value for name in shares if (value := getattr(arguments, name)) is not None}
    if (text := getattr(arguments, seconds)) is not None:
        parts = [_number_or_text(part) for part in text.split("-")]
        changes[seconds] = parts if len(parts) > 1 else parts[0]
    return changes


def _number_or_text(text: str) -> float | str:
    with contextlib.suppress(ValueError):
        return float(text)
    return text


async def _run(arguments: argparse.Namespace, faults: Faults, receipts: Mapping[str, object]) -> None:
    host, port = arguments.listen
    sandbox = Sandbox(
        token=arguments.token,
        faults=faults,
        seed=arguments.seed,
        keep=arguments.keep,
        names=arguments.allow_host,
        service=arguments.service_url and Service(arguments.service_url.rstrip("/"), arguments.service_token_file),
        providers=arguments.providers,
    )
    if arguments.receipts_url is not None:
        sandbox.send_all_receipts_to(Target(arguments.receipts_url, arguments.service_token_file))
    for provider in sandbox.providers:
        provider.set_receipts(**receipts)
    await sandbox.listen(port, host=host)
    async with sandbox:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        print(*map(sandbox.url_of, sandbox.providers), sep="\n", flush=True)
        print(f"Texts received: {sandbox.root_url}/  (Ctrl-C stops)", file=sys.stderr, flush=True)
        await stopped.wait()


def _check_service(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    has_token, takes_receipts = arguments.service_token_file is not None, arguments.receipts_url is not None
    if arguments.service_url is not None and not has_token:
        parser.error("--service-url needs --service-token-file")
    if has_token and arguments.service_url is None and not takes_receipts:
        parser.error("--service-token-file needs --service-url or --receipts-url")
    if arguments.receipts and arguments.service_url is None and not takes_receipts:
        parser.error("--receipts needs --service-url or --receipts-url")


def main(given: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 when the address can't be listened on. Bad arguments end the process with 2."""
    parser = _parser()
    arguments = parser.parse_args(given)
    if arguments.keep < 0:
        parser.error("argument --keep: should be 0 or more")
    _check_service(parser, arguments)
    try:
        faults, receipts = _faults(arguments), _receipts(arguments)
    except BadSwitches as error:
        parser.error(str(error))
    end_with_parent(stop_seconds=1.0)
    try:
        uvloop.run(_run(arguments, faults, receipts))
    except OSError as error:
        print(
            f"sandbox: can't listen on {arguments.listen[0]}:{arguments.listen[1]}: {error.strerror}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
