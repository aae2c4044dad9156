"""A certificate for the local cloud's HTTPS addresses, and the authority that signed it: made here, trusted nowhere.

Kept in a folder and used again while it is good for another week. A client trusts it by naming the authority's
file, as in `curl --cacert`; nothing is added to the machine's own store.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.clock import Clock

NAMES = ("localhost",)
ADDRESSES = ("127.0.0.1", "::1")
LIFETIME = timedelta(days=365)
RENEW_BEFORE_END = timedelta(days=7)
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files: the authority's certificate, the server's with its chain, and the server's key."""

    ca_path: Path
    chain_path: Path
    key_path: Path

    def server_context(self) -> ssl.SSLContext:
        """For a server: TLS 1.2 or newer, with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_path, self.key_path)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.ca_path))


def ensure_certificate(folder: Path, *, clock: Clock) -> Certificate:
    """The certificate in the folder, made anew where there is none or its time is nearly over."""
    certificate = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if not _is_usable(certificate, clock.now()):
        _make(certificate, clock.now())
    return certificate


def _is_usable(certificate: Certificate, now: datetime) -> bool:
    if not all(path.exists() for path in (certificate.ca_path, certificate.chain_path, certificate.key_path)):
        return False
    try:
        server, authority = x509.load_pem_x509_certificates(certificate.chain_path.read_bytes())
        trusted = x509.load_pem_x509_certificate(certificate.ca_path.read_bytes())
        key = serialization.load_pem_private_key(certificate.key_path.read_bytes(), password=None)
    except ValueError:  # damaged files
        return False
    if trusted != authority or key.public_key() != server.public_key():
        return False
    return server.not_valid_before_utc <= now and all(
        now + RENEW_BEFORE_END < made.not_valid_after_utc for made in (server, authority)
    )


def _make(certificate: Certificate, now: datetime) -> None:
    """The authority's key is thrown away: nobody can sign anything else in its name."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Flyball local certificate authority")
    authority = (
        _builder(authority_name, authority_name, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [*(x509.DNSName(name) for name in NAMES), *(x509.IPAddress(ip_address(text)) for text in ADDRESSES)]
    server = (
        _builder(_name("Flyball local cloud"), authority_name, server_key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    _write(certificate.ca_path, authority.public_bytes(pem))
    _write(certificate.chain_path, server.public_bytes(pem) + authority.public_bytes(pem))
    _write(
        certificate.key_path,
        server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _write(path: Path, content: bytes) -> None:
    """Readable by the owner alone from the first moment, and whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)
