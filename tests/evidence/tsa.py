"""A time-stamping authority on loopback: OpenSSL's own answers (RFC 3161) behind a small door.

Owns its certificates; what a token says is OpenSSL's.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.evidence.sources.server import Answer, Request, There, serving

SETTINGS = """
[tsa]
default_tsa = it
[it]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
[ext]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def made_in(folder: Path) -> Path:
    """A root, and a certificate of its that may stamp (tsa.pem beside it); where the root lies."""
    settings = folder / "openssl.cnf"
    settings.write_text(SETTINGS.format(folder=folder))
    (folder / "serial").write_text("1000\n")
    root, key = folder / "root.pem", folder / "root.key"
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    _openssl("req", "-x509", *ec, "-keyout", f"{key}", "-out", f"{root}", "-days", "3650",
             "-subj", "/CN=Root of the stamps")  # fmt: skip
    _openssl("req", *ec, "-keyout", f"{folder / 'tsa.key'}", "-out", f"{folder / 'tsa.csr'}",
             "-subj", "/CN=Stamps")  # fmt: skip
    _openssl("x509", "-req", "-in", f"{folder / 'tsa.csr'}", "-CA", f"{root}", "-CAkey", f"{key}",
             "-CAcreateserial", "-days", "3650", "-extfile", f"{settings}", "-extensions", "ext",
             "-out", f"{folder / 'tsa.pem'}")  # fmt: skip
    return root


@contextmanager
def running(folder: Path) -> Iterator[There]:
    """The authority at work, with what `made_in` made."""

    def stamped(asked: Request) -> Answer:
        assert asked.headers["content-type"] == "application/timestamp-query"
        (folder / "query").write_bytes(asked.body)
        _openssl("ts", "-reply", "-config", f"{folder / 'openssl.cnf'}", "-section", "it",
                 "-queryfile", f"{folder / 'query'}", "-out", f"{folder / 'reply'}")  # fmt: skip
        kind = {"Content-Type": "application/timestamp-reply"}
        return Answer(body=(folder / "reply").read_bytes(), headers=kind)

    with serving() as there:
        there.on("POST", "/", stamped)
        yield there
