"""A file comes over HTTPS whole or with a plain reason, whatever the server does."""

from __future__ import annotations

import hashlib
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from web_servers import Handler, Server, serving

from gateway.errors import PackError
from gateway.links.fetch import Fetch, check_sha256, secure
from gateway.links.wording import ClosingSocket

pytestmark = pytest.mark.network

CONTENT = bytes(range(256)) * 2000
LIMIT = 2 * len(CONTENT)


def fetch(server: Server, folder: Path, path: str = "/pack.zip", **more: object) -> Fetch:
    url = f"http://127.0.0.1:{server.server_port}{path}"
    return Fetch(url, folder / "pack.part", LIMIT, pause=lambda _s: None, **more)  # type: ignore[arg-type]


def reason(of: Fetch) -> str:
    with pytest.raises(PackError) as caught:
        of.run()
    assert caught.value.remedy
    return caught.value.reason


def ranged(handler: Handler, at_most: int = len(CONTENT), tag: str = '"one"') -> None:
    """Answer as a good server does, but break off after so many bytes of a body."""
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    if handler.headers.get("If-Range", tag) != tag:
        start = 0
    rest = CONTENT[start:]
    told = {"ETag": tag, "Content_Length": str(len(rest))}
    if start:
        told["Content_Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    handler.give(rest[:at_most], 206 if start else 200, **told)


def test_a_file_comes_whole_and_its_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with serving(ranged) as server:
        got = fetch(server, tmp_path, progress=lambda done, total: told.append((done, total))).run()
    assert got.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_line_that_breaks_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    with serving(lambda handler: ranged(handler, 200_000)) as server:
        assert fetch(server, tmp_path).run().read_bytes() == CONTENT
        assert server.ranges == ["", "bytes=200000-", "bytes=400000-"]


def test_a_line_that_breaks_all_the_time_gets_there(tmp_path: Path) -> None:
    with serving(lambda handler: ranged(handler, 40_000)) as server:
        assert fetch(server, tmp_path).run().read_bytes() == CONTENT
        assert len(server.ranges) == 13


def test_a_later_run_goes_on_from_what_an_earlier_one_left(tmp_path: Path) -> None:
    with serving(lambda handler: ranged(handler, 0 if handler.headers.get("Range") else 90)) as bad:
        assert reason(fetch(bad, tmp_path)) == "interrupted"
        assert (tmp_path / "pack.part").stat().st_size == 90
    with serving(ranged) as server:
        assert fetch(server, tmp_path).run().read_bytes() == CONTENT
        assert server.ranges == ["bytes=90-"]


def test_halves_of_two_versions_are_never_put_together(tmp_path: Path) -> None:
    with serving(lambda handler: ranged(handler, 0 if handler.headers.get("Range") else 90)) as bad:
        assert reason(fetch(bad, tmp_path)) == "interrupted"
    with serving(lambda handler: ranged(handler, tag='"two"')) as server:
        assert fetch(server, tmp_path).run().read_bytes() == CONTENT
        assert server.ranges == ["bytes=90-"]


def test_without_a_mark_of_the_version_it_begins_anew(tmp_path: Path) -> None:
    with serving(lambda handler: ranged(handler, 300_000, tag='W/"weak"')) as server:
        assert reason(fetch(server, tmp_path)) == "interrupted"
        assert set(server.ranges) == {""}


def test_a_server_that_sends_another_part_than_asked_for_is_not_believed(tmp_path: Path) -> None:
    def wrong(handler: Handler) -> None:
        if handler.headers.get("Range"):
            handler.give(CONTENT[5:], 206, ETag='"one"', Content_Range="bytes 5-9/10")
        else:
            ranged(handler, 1000)

    with serving(wrong) as server:
        assert reason(fetch(server, tmp_path)) == "interrupted"


def test_a_file_that_became_shorter_is_fetched_anew(tmp_path: Path) -> None:
    def shorter(handler: Handler) -> None:
        if handler.headers.get("Range"):
            handler.give(b"", 416)
        elif len(server.ranges) == 1:
            ranged(handler, 1000)
        else:
            ranged(handler)

    with serving(shorter) as server:
        assert fetch(server, tmp_path).run().read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["", str(3 * LIMIT)])
def test_a_file_that_is_too_large_is_left(tmp_path: Path, length: str) -> None:
    with serving(lambda handler: handler.give(CONTENT * 3, Content_Length=length)) as server:
        assert reason(fetch(server, tmp_path)) == "too_large"
    assert not list(tmp_path.iterdir())


def test_a_body_longer_than_was_said_is_cut_to_what_was_said(tmp_path: Path) -> None:
    with serving(lambda handler: handler.give(CONTENT, Content_Length="100")) as server:
        assert fetch(server, tmp_path).run().read_bytes() == CONTENT[:100]


@pytest.mark.parametrize(
    ("status", "expected"), [(404, "not_found"), (410, "not_found"), (503, "refused_by_server")]
)
def test_an_answer_that_is_no_file_is_told_by_its_number(
    tmp_path: Path, status: int, expected: str
) -> None:
    with serving(lambda handler: handler.give(b"no", status)) as server:
        assert reason(fetch(server, tmp_path)) == expected


def test_a_redirect_is_followed_within_what_is_safe(tmp_path: Path) -> None:
    def moved(handler: Handler) -> None:
        if handler.path == "/old":
            handler.give(b"", 302, Location="/new")
        elif handler.path == "/away":
            handler.give(b"", 302, Location="http://example.com/pack.zip")
        elif handler.path == "/round":
            handler.give(b"", 302, Location="/round")
        else:
            ranged(handler)

    with serving(moved) as server:
        assert fetch(server, tmp_path, "/old").run().read_bytes() == CONTENT
        assert reason(fetch(server, tmp_path, "/away")) == "insecure_url"
        assert reason(fetch(server, tmp_path, "/round")) == "refused_by_server"


def test_nobody_there_is_said_with_the_host(tmp_path: Path) -> None:
    with serving(ranged) as server:
        gone = fetch(server, tmp_path)
    assert reason(gone) == "no_network"


def test_a_server_that_hangs_up_at_once_is_tried_again(tmp_path: Path) -> None:
    with serving(lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)) as server:
        assert reason(fetch(server, tmp_path)) == "interrupted"
        assert len(server.ranges) == 4


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with serving(ranged) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sslsocket_class = ClosingSocket
        context.load_cert_chain(own_certificate(tmp_path))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://localhost:{server.server_port}/pack.zip"
        assert reason(Fetch(url, tmp_path / "p", LIMIT)) == "certificate"


def own_certificate(folder: Path) -> Path:
    """Write a key and a certificate for localhost that only its owner has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(
    "url",
    ["http://example.com/p.zip", "ftp://example.com/p", "https://", "http://127.1.2.3.evil/", "x"],
)
def test_only_https_leaves_this_machine(url: str) -> None:
    with pytest.raises(PackError) as caught:
        secure(url)
    assert caught.value.reason == "insecure_url"


@pytest.mark.parametrize("url", ["https://a.example/p", "http://127.0.0.1:8/p", "http://[::1]/p"])
def test_https_and_this_machine_pass(url: str) -> None:
    secure(url)


def test_a_checksum_is_held_against_the_file(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    check_sha256(file, hashlib.sha256(b"abc").hexdigest().upper())
    with pytest.raises(PackError):
        check_sha256(file, "00")
