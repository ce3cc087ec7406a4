"""Certificates of a small authority, for servers and clients on this machine."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVER = "kubernetes.test"


@dataclass(frozen=True)
class Certificates:
    """PEM files of an authority, of a server with the name `SERVER`, and of a client."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings of a server that requires the client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        context.load_verify_locations(self.authority)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def certificates(folder: Path, *addresses: str) -> Certificates:
    """Write new certificates to a folder; the server's is also for these IP addresses."""
    found = Certificates(
        *(folder / name for name in ("ca.crt", "server.crt", "server.key", "client.crt", "client.key"))
    )
    key = ec.generate_private_key(ec.SECP256R1())
    _write(found.authority, _signed("authority", key, key, x509.BasicConstraints(ca=True, path_length=None)))
    for name, file, key_file in (
        (SERVER, found.server, found.server_key),
        ("client", found.client, found.client_key),
    ):
        own = ec.generate_private_key(ec.SECP256R1())
        others = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        _write(file, _signed(name, own, key, x509.SubjectAlternativeName([x509.DNSName(name), *others])))
        key_file.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return found


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .sign(by, hashes.SHA256())
    )


def _write(file: Path, certificate: x509.Certificate) -> None:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
