"""The `mailing` command over TLS: real handshakes with certificates of a throwaway authority."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.app import call, hoist
from cli.failures import EXIT_UNREACHABLE, EXIT_USAGE
from tests.cli import fake_engine
from tests.cli.fake_engine import Script

ROOT = Path(__file__).parents[2]
KINDS = ("CA", "CERT", "KEY")
Run = Callable[[str], tuple[int, str, str]]


class Authority:
    """Signs certificates that are good for an hour; its own is `NAME.pem`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def issue(self, name: str, passphrase: bytes = b"", addresses: tuple[str, ...] = ()) -> None:
        """Write `NAME.pem` and `NAME.key`, for this host by its name and by these addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        here = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(address)) for address in addresses)]
        certificate = self._sign(subject, key, x509.SubjectAlternativeName(here))
        (self._folder / f"{name}.pem").write_bytes(certificate)
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        (self._folder / f"{name}.key").write_bytes(pem)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        signed = builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca` has signed engine, caller and locked (a key with a passphrase); `stranger` has signed foreign."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder, "ca")
    authority.issue("engine", addresses=("127.0.0.1",))
    authority.issue("caller")
    authority.issue("locked", b"secret")
    Authority(folder, "stranger").issue("foreign")
    (folder / "nonsense.pem").write_text("nonsense")
    return folder


def listening(folder: Path, *, mutual: bool) -> Iterator[str]:
    pair = ((folder / "engine.key").read_bytes(), (folder / "engine.pem").read_bytes())
    client_ca = (folder / "ca.pem").read_bytes() if mutual else None
    tls = grpc.ssl_server_credentials([pair], client_ca, require_client_auth=mutual)
    with fake_engine.running(Script(), "localhost:0", tls) as target:
        yield target.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def mutual(folder: Path) -> Iterator[str]:
    """An engine that only lets in who has a certificate of `ca`."""
    yield from listening(folder, mutual=True)


@pytest.fixture(scope="module")
def one_sided(folder: Path) -> Iterator[str]:
    """An engine with TLS that lets everybody in."""
    yield from listening(folder, mutual=False)


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command; in it, `@` stands for the folder of the certificates."""
    for name in ("MAILING_API_TOKEN", "MAILING_ENGINE_TARGET", *(f"MAILING_ENGINE_TLS_{kind}" for kind in KINDS)):
        monkeypatch.delenv(name, raising=False)

    def run(command: str) -> tuple[int, str, str]:
        code = call(command.replace("@", f"{folder}/").split())
        out, err = capfd.readouterr()
        # gRPC's C core may log a failed handshake of the server's side, which is this process here
        lines = [line for line in err.splitlines() if line.startswith("error: ") or "Traceback" in line]
        return code, out, "\n".join(lines)

    return run


def test_mutual_tls(run: Run, mutual: str) -> None:
    code, out, err = run(
        f"engine status --target {mutual} --tls-ca @ca.pem --tls-cert @caller.pem --tls-key @caller.key"
    )
    assert (code, err) == (0, "")
    assert "21 failures in a row" in out


def test_mutual_tls_by_the_environment(run: Run, mutual: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILING_ENGINE_TARGET", mutual)
    for kind, name in zip(KINDS, ("ca.pem", "caller.pem", "caller.key"), strict=True):
        monkeypatch.setenv(f"MAILING_ENGINE_TLS_{kind}", str(folder / name))
    code, out, err = run("engine status --json")
    assert (code, err) == (0, "")
    assert '"engine_id": 3' in out


def test_mutual_tls_by_the_settings_file(run: Run, mutual: str, folder: Path, tmp_path: Path) -> None:
    """All of the gateway's lines, so that `mailing` works in the folder where engines and gateway start."""
    pairs = zip(KINDS, ("ca.pem", "caller.pem", "caller.key"), strict=True)
    lines = [f"MAILING_ENGINE_TARGET={mutual}", *(f"MAILING_ENGINE_TLS_{kind}={folder / name}" for kind, name in pairs)]
    (tmp_path / ".env").write_text("\n".join(lines))
    with contextlib.chdir(tmp_path):
        assert run("engine status")[0] == 0
        code, _, err = run("engine status --tls-cert @foreign.pem --tls-key @foreign.key")
    assert (code, "closes the connection" in err) == (EXIT_UNREACHABLE, True), "an option is stronger"


@pytest.mark.parametrize("mine", ["", "--tls-cert @caller.pem --tls-key @caller.key"])
def test_tls_of_the_engine_alone(run: Run, one_sided: str, mine: str) -> None:
    assert run(f"engine status --target {one_sided} --tls-ca @ca.pem {mine}")[0] == 0


def test_engines_at_several_ports_of_one_machine(run: Run, one_sided: str) -> None:
    """Their certificates have the first address, not the whole list; one engine that is away does no harm."""
    here = one_sided.replace("localhost", "127.0.0.1")
    assert run(f"engine status --target ipv4:{here},127.0.0.1:1 --tls-ca @ca.pem")[0] == 0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("", "closes the connection: does the engine use TLS (--tls-ca), or want another certificate"),
        ("--tls-ca @ca.pem", "closes the connection: "),
        ("--tls-ca @ca.pem --tls-cert @foreign.pem --tls-key @foreign.key", "closes the connection: "),
        ("--tls-ca @stranger.pem --tls-cert @caller.pem --tls-key @caller.key", "its certificate is not trusted: "),
    ],
)
def test_who_may_not_in_is_told_why(run: Run, mutual: str, options: str, line: str) -> None:
    code, out, err = run(f"engine status --target {mutual} {options}")
    assert (code, out) == (EXIT_UNREACHABLE, "")
    assert line in err
    assert "\n" not in err


def test_an_engine_that_is_not_trusted_is_one_line_of_the_process(mutual: str, folder: Path) -> None:
    """gRPC's C core would write of a failed handshake on stderr by itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRPC_", "MAILING_"))}
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'proto'}"
    command = f"cli engine status --target {mutual} --tls-ca {folder}/stranger.pem".split()
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (EXIT_UNREACHABLE, "")
    assert done.stderr.startswith("error: no TLS connection to ")
    assert done.stderr.count("\n") == 1


def test_tls_to_an_engine_without(run: Run) -> None:
    with fake_engine.running(Script()) as target:
        code, _, err = run(f"engine status --target {target} --tls-ca @ca.pem")
    assert code == EXIT_UNREACHABLE
    assert "what listens there does not use TLS" in err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--tls-ca @ca.pem --tls-cert @caller.pem", "--tls-cert needs --tls-key"),
        ("--tls-ca @ca.pem --tls-key @caller.key", "--tls-key needs --tls-cert"),
        ("--tls-cert @caller.pem --tls-key @caller.key", "--tls-cert needs --tls-ca"),
        ("--tls-ca @nowhere.pem", "--tls-ca: cannot read "),
        ("--tls-ca @ca.pem --tls-cert @caller.pem --tls-key @nowhere.key", "--tls-key: cannot read "),
        ("--tls-ca @nonsense.pem", "has no certificate in PEM form"),
        ("--tls-ca @ca.pem --tls-cert @nonsense.pem --tls-key @caller.key", "no certificate and key in PEM form"),
        ("--tls-ca @ca.pem --tls-cert @caller.pem --tls-key @engine.key", "is not the private key of"),
        ("--tls-ca @ca.pem --tls-cert @locked.pem --tls-key @locked.key", "has a passphrase"),
    ],
)
def test_files_that_will_not_do_are_wrong_usage(run: Run, options: str, line: str) -> None:
    code, out, err = run(f"engine status {options}")
    assert (code, out) == (EXIT_USAGE, "")
    assert line in err
    assert "\n" not in err


def test_the_files_may_stand_anywhere() -> None:
    assert hoist(["audit", "--tls-cert", "c", "--tls-key=k", "-n", "3"]) == [
        *("--tls-cert", "c", "--tls-key=k"),
        *("audit", "-n", "3"),
    ]
