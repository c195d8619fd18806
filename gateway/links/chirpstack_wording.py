"""Plain sentences for what a ChirpStack API call ends with: what happened and what to do.

Status codes are gRPC's (`doc/statuscodes.md`), by name, so that this module needs no gRPC. Which
of them ChirpStack 4 answers with is read off its `api/auth` and `api/error` modules: what a key may
not see is UNAUTHENTICATED with no text, an id that is none is INVALID_ARGUMENT.
"""

from __future__ import annotations

from gateway.config import ChirpStackApiConfig
from gateway.errors import LinkDenied, LinkError, LinkRefused

ABOUT_ONE_THING = frozenset({"NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT"})
"""Codes that speak of what was asked for, not of the link or the key."""

_UNTOLD = "the key may not see this; make one in ChirpStack under API keys, and set `token_file`"
_SENTENCES = {
    "UNAUTHENTICATED": "does not accept our token: it is wrong, expired or deleted. "
    "Make one in ChirpStack under API keys, and set `token_file`",
    "PERMISSION_DENIED": "does not let this token do that; "
    "make a key in ChirpStack under API keys that may",
    "NOT_FOUND": "does not have it; was it deleted there, or is this another server?",
    "INVALID_ARGUMENT": "does not understand what was asked; is it an id of this server?",
    "DEADLINE_EXCEEDED": "did not answer within {timeout_s:g} s; "
    "check the network and the server's load, or raise `timeout_s`",
    "RESOURCE_EXHAUSTED": "has no room for this, or the answer is larger than we take; "
    "is that codec's script larger than 1 MB?",
    "UNIMPLEMENTED": "has no such call; ChirpStack 4 is needed, and `server` must be its own port",
    "INTERNAL": "failed at this call; its log says more",
}
EXPOSED = (
    "The token of [chirpstack.api] goes to {server} in the clear: anybody on the way may take it. "
    "Set `tls = true`, or reach the server through a tunnel."
)


def error_of(
    code: str, details: str, config: ChirpStackApiConfig, *, listing_tenants: bool = False
) -> LinkError:
    """Return the error for a call that ended with this status."""
    said = f" ({details[:200]})" if details and code != "UNAVAILABLE" else ""
    if code == "UNAVAILABLE":
        text = _unreached(details, config)
    elif code == "UNAUTHENTICATED" and listing_tenants:
        text = (
            f"{_server(config)} lists its tenants to an administrator's key alone; set `tenant_id` "
            f"to yours, or check the token{said}."
        )
    elif code == "UNAUTHENTICATED" and not details:
        text = f"{_server(config)} refuses: {_UNTOLD}."
    else:
        words = _SENTENCES.get(code, f"ended the call with {code}")
        text = f"{_server(config)} {words.format(timeout_s=config.timeout_s)}{said}."
    # Our own bound on an answer's size has the code of a server without room.
    oversized = code == "RESOURCE_EXHAUSTED" and "larger than max" in details
    if code == "UNAUTHENTICATED":
        return LinkDenied(text)
    return LinkRefused(text) if oversized or code in ABOUT_ONE_THING else LinkError(text)


def too_long(name: str, size: int) -> LinkRefused:
    """Return the error for a script that no device's codec needs to be as long as."""
    return LinkRefused(f"The codec of {name!r} has {size} bytes; the most that is taken is 1 MB.")


def _server(config: ChirpStackApiConfig) -> str:
    return f"ChirpStack at {config.server}"


def _unreached(details: str, config: ChirpStackApiConfig) -> str:
    """Tell apart what gRPC puts into one code, by its core's own words."""
    words, where = details.lower(), _server(config)
    if any(sign in words for sign in ("errors resolving", "lookup", "resolution")):
        return f"The host name {config.host!r} is not known here; check `server` and the network."
    if "wrong_version_number" in words:
        return f"{where} does not speak TLS on that port; set `tls = false`, or its TLS port."
    if any(sign in words for sign in ("certificate", "bad_signature", "hostname")):
        return (
            f"The certificate of {config.server} is not trusted. Set `ca_file` to the authority "
            "that issued it, and `server` to a name the certificate holds."
        )
    if "refused" in words:
        return f"Nothing listens at {config.server}; does ChirpStack run, is `server` its API port?"
    if "http1" in words:
        return f"{where} speaks plain HTTP; `server` must be ChirpStack's own port, not a proxy's."
    return f"{where} cannot be reached; check host, port and network; {_suspect(config)}"


def _suspect(config: ChirpStackApiConfig) -> str:
    if not config.tls:
        return "does that port want TLS (`tls = true`)?"
    if config.cert_file is None:
        return "it may want our certificate: set `cert_file` and `key_file`."
    return "check that its authority issued our certificate (`cert_file`, `key_file`)."
