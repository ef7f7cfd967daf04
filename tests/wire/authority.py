"""Certificates of a certificate authority that exists for one test.

They have every extension that RFC 5280 asks for, because Python 3.13 and later verify by it (VERIFY_X509_STRICT).
"""

import datetime as dt
import functools
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from personalq.lib.outbound import trust

DAY = dt.timedelta(days=1)
_KEY_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class Authority:
    """Signs certificates; `file` is its own one.

    A process that is started with SSL_CERT_FILE=`file` believes it; `be_trusted` does that for this process.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
        self.file = directory / "authority.pem"
        self.file.write_bytes(_pem(self._sign_itself()))

    def context(self, *names: str, is_expired: bool = False, is_self_signed: bool = False) -> ssl.SSLContext:
        """What a server needs to be `names` (host names or addresses; localhost when none is given)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Server of a test")])
        until = _now() - DAY if is_expired else _now() + 30 * DAY
        builder = _certificate(subject, subject if is_self_signed else self._name, key.public_key(), until)
        issuer = key if is_self_signed else self._key
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
        builder = builder.add_extension(_alternative_names(names or ("localhost",)), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage("digital_signature"), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(issuer_key, critical=False)
        return self._load(key, builder.sign(issuer, hashes.SHA256()))

    def be_trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on to the end of the test."""
        monkeypatch.setenv("SSL_CERT_FILE", str(self.file))
        monkeypatch.setattr(trust, "tls_context", functools.cache(trust.tls_context.__wrapped__))

    def _sign_itself(self) -> x509.Certificate:
        builder = _certificate(self._name, self._name, self._key.public_key(), _now() + 30 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        return builder.sign(self._key, hashes.SHA256())

    def _load(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> ssl.SSLContext:
        file = self._directory / f"{certificate.serial_number}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + _pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        # What the client asked for, so that a test can see it.
        context.sni_callback = _note_requested_name
        return context


def _note_requested_name(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
    connection.requested_name = name  # type: ignore[attr-defined]


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: dt.datetime
) -> x509.CertificateBuilder:
    begin = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    dated = begin.not_valid_before(until - 40 * DAY).not_valid_after(until)
    numbered = dated.serial_number(x509.random_serial_number())
    return numbered.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _key_usage(*usages: str) -> x509.KeyUsage:
    return x509.KeyUsage(**dict.fromkeys(_KEY_USAGES, False) | dict.fromkeys(usages, True))


def _alternative_names(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(name) for name in names])


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
