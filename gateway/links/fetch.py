"""Fetching one file over HTTPS, as a device behind a poor line must: bounded, resumable, explained.

What has come is in `<name>.part`; beside it, `<name>.part.tag` holds the server's mark of the
version (ETag, RFC 9110 section 8.8.3), without which two halves cannot be known to belong together.
Interrupted, a fetch goes on where it stopped, also in a later run. Proxies are taken from the
environment (`https_proxy`, `no_proxy`), as urllib does.
"""

from __future__ import annotations

import email.message
import hashlib
import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any

from gateway.errors import PackError
from gateway.links.wording import ClosingSocket

TIMEOUT_S = 30.0
ATTEMPTS, MOST_ATTEMPTS = 4, 200
"""Tries in a row that bring nothing, and all in all."""

PAUSE_S = 2.0
CHUNK = 64 * 1024
MB = 2**20

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are, and how many there will be (None: nobody says)."""

_TAG, _RANGE = "If-Range", "Range"
_PARTIAL, _NOT_SATISFIABLE, _NOT_FOUND = 206, 416, (404, 410)
_OF = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _Interrupted(Exception):  # noqa: N818 - it is an event on the line, tried again
    """The line broke; `str` says how."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One file to fetch: from where, into which `.part`, and how large it may be."""

    url: str
    part: Path
    limit_bytes: int
    progress: Progress = lambda _done, _total: None
    pause: Callable[[float], None] = time.sleep

    @property
    def _tag(self) -> Path:
        return self.part.with_name(self.part.name + ".tag")

    def run(self) -> Path:
        """Fetch the whole file and return where it is.

        Raises
        ------
        PackError
            `insecure_url`, `no_network`, `not_found`, `refused_by_server`, `certificate`,
            `too_large`, `interrupted`, and of the disk `OSError` as it is.

        """
        secure(self.url)
        idle = 0
        for _ in range(MOST_ATTEMPTS):
            before = self._size()
            try:
                return self._once()
            except _Interrupted as error:
                idle = 0 if self._size() > before else idle + 1
                last = error
            if idle == ATTEMPTS:
                break
            self.pause(PAUSE_S * 2**idle)
        raise self._given_up(last)

    def _given_up(self, error: Exception) -> PackError:
        return PackError(
            "interrupted",
            f"The download broke off and does not go on: {error}.",
            f"{self._size() / MB:.1f} MB are here: the same command goes on from there."
            if self._tag.exists()
            else "Try again where the line is better.",
        )

    def _once(self) -> Path:
        have = self._size() if self._tag.exists() else 0
        headers = {_RANGE: f"bytes={have}-", _TAG: self._tag.read_text()} if have else {}
        request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 - `secure` has looked
        try:
            with _opener().open(request, timeout=TIMEOUT_S) as response:
                self._take(response, have)
        except urllib.error.HTTPError as error:
            with error:
                if error.headers.get("Content-Range", "") == f"bytes */{have}":
                    return self.part  # there is no more of it than has come
                if error.code == _NOT_SATISFIABLE and have:
                    self.forget()
                    raise _Interrupted("the file has changed on the server") from error
                raise _refused(self.url, error.code) from error
        except urllib.error.URLError as error:
            raise _unreachable(self.url, error.reason) from error
        except http.client.HTTPException as error:
            raise _Interrupted(str(error) or type(error).__name__) from error
        return self.part

    def _take(self, response: Any, have: int) -> None:  # noqa: ANN401 - urllib's answer has no type
        headers: email.message.Message = response.headers
        found = _OF.fullmatch(headers.get("Content-Range", ""))
        goes_on = response.status == _PARTIAL and found is not None and int(found[1]) == have
        if response.status == _PARTIAL and not goes_on:
            self.forget()
            raise _Interrupted("the server sent another part than was asked for")
        start = have if goes_on else 0
        length = headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        self._bounded(total or 0)
        self._keep_tag(headers.get("ETag", ""))
        with self.part.open("ab" if goes_on else "wb") as file:
            done = self._copy(response, file, start, total)
        if total is not None and done < total:
            raise _Interrupted(f"{done} of {total} bytes came")

    def _copy(self, response: Any, file: IO[bytes], start: int, total: int | None) -> int:  # noqa: ANN401
        done = start
        while chunk := _read(response):
            done += len(chunk)
            self._bounded(done)
            file.write(chunk)
            self.progress(done, total)
        return done

    def _bounded(self, size: int) -> None:
        if size > self.limit_bytes:
            self.forget()
            raise PackError(
                "too_large",
                f"{self.url} has over {self.limit_bytes // MB} MB, more than a pack may have.",
                "Check that it is the address of a model pack.",
            )

    def _keep_tag(self, tag: str) -> None:
        if tag.startswith('"'):  # a weak one says "alike", and halves must be the same
            self._tag.write_text(tag)
        else:
            self._tag.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove what has come."""
        self.part.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def _size(self) -> int:
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0


def _read(response: Any) -> bytes:  # noqa: ANN401
    try:
        chunk: bytes = response.read(CHUNK)
    except OSError as error:  # the line's, so that what is left is the disk's
        raise _Interrupted(str(error) or type(error).__name__) from error
    return chunk


def check_sha256(path: Path, wanted: str) -> None:
    """Hold a file against the SHA-256 that a person was told.

    Raises
    ------
    PackError
        `wrong_checksum`.

    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.strip().lower():
        raise PackError(
            "wrong_checksum",
            f"{path.name} has the SHA-256 {found}, not {wanted[:64]}.",
            "It is another file, or it was changed on its way: get it again from who made it.",
        )


def secure(url: str) -> None:
    """Let HTTPS pass, and plain HTTP within this machine only.

    Raises
    ------
    PackError
        `insecure_url`.

    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urllib.parse.urlsplit(""), ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))):
        return
    raise PackError(
        "insecure_url",
        f"{url[:200]} is no https:// address.",
        "Use https://, or fetch the file yourself and install it by its name.",
    )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to other addresses as long as they are as safe as the first had to be."""

    def redirect_request(  # noqa: PLR0917 - urllib calls it so
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            secure(newurl)
        except PackError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    context.sslsocket_class = ClosingSocket
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirects())


def _refused(url: str, code: int) -> PackError:
    if code in _NOT_FOUND:
        return PackError(
            "not_found", f"There is nothing at {url} (HTTP {code}).", "Check the address."
        )
    return PackError(
        "refused_by_server",
        f"The server of {url} answers HTTP {code}.",
        "Try again later, or ask who runs it; fetch the file yourself where it wants a password.",
    )


def _unreachable(url: str, why: object) -> Exception:
    """Return what a connection that was not made means: to be tried again, or an end."""
    host = urllib.parse.urlsplit(url).hostname
    if isinstance(why, ssl.SSLCertVerificationError):
        return PackError(
            "certificate",
            f"The certificate of {host} is not good: {why.verify_message}.",
            "Is this machine's clock right? Else somebody is between, or the server is set up "
            "wrongly.",
        )
    if isinstance(why, TimeoutError | ConnectionResetError):
        return _Interrupted(str(why) or "no answer in time")
    said = (why.strerror if isinstance(why, OSError) else None) or str(why)
    if isinstance(why, socket.gaierror):
        said = "its name is not known"
    return PackError(
        "no_network",
        f"{host} cannot be reached: {said}.",
        "Check the network and `https_proxy`, or bring the file on a stick and install it by name.",
    )
