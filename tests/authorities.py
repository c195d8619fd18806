"""A certificate authority for one test, with a server's and a client's certificate."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = dt.datetime.now(dt.UTC)


def write_authority(folder: Path) -> Path:
    """Write `ca`, `server` (127.0.0.1, localhost) and `client`, each `.crt` and `.key`."""
    folder.mkdir()
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    issuer = _name("test authority")
    constraint = x509.BasicConstraints(ca=True, path_length=None)
    ca = (
        _builder(issuer, issuer, issuer_key)
        .add_extension(constraint, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    _write(folder, "ca", ca, issuer_key)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    for who in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(who), issuer, key)
        if who == "server":
            builder = builder.add_extension(names, critical=False)
        _write(folder, who, builder.sign(issuer_key, hashes.SHA256()), key)
    return folder


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(hours=1))
        .not_valid_after(NOW + dt.timedelta(days=2))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _write(
    folder: Path, who: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    (folder / f"{who}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{who}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
