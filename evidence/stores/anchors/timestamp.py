"""A time-stamping authority (RFC 3161): its token says when these bytes were there already.

The token is checked against the roots that are set up before it counts, and can be checked by
anybody who has it, the statement and those roots (`openssl ts -verify`). Some authorities send
certificates in an order that DER does not allow, and their tokens cannot be read: where
`certificate_file` names the one of the authority itself, none is asked for.
"""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    Verifier,
    VerifierBuilder,
    decode_timestamp_response,
)

from evidence.sources.failures import Stopped
from evidence.stores.anchors.asking import posted
from evidence.stores.anchors.configured import Held, Kept, Place, Statement, wrong

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
LARGEST_FILE = 1 << 20


def keep(place: Place, statement: Statement, *, now: datetime) -> Kept:
    """The token for this statement, checked."""
    data = statement.text.encode()
    verifier = _verifier(place)
    query = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    asked = query.cert_request(cert_request="certificate_file" not in place.says).build()
    _, body = posted(
        place.says["url"], asked.as_bytes(), {"Content-Type": QUERY, "Accept": REPLY}, now=now
    )
    answer = _answer(body)
    if asked.nonce is None or answer.tst_info.nonce != asked.nonce:
        raise Stopped("Its token is not for what was asked.", "Look at its address.")
    if why := _why(verifier, answer, data):
        raise Stopped(f"Its token does not hold: {why}.", "Look at ca_file, and at who answers.")
    when = answer.tst_info.gen_time.astimezone(UTC)
    return Kept(
        body, f"stamped {when:%Y-%m-%d %H:%M:%S} UTC, number {answer.tst_info.serial_number}"
    )


def problem(place: Place, statement: Statement, receipt: bytes) -> str:
    """What is wrong with a token that was kept."""
    answer = _answer(receipt)
    return _why(_verifier(place), answer, statement.text.encode())


def held(place: Place) -> list[Held] | None:  # noqa: ARG001 -- as each kind
    """An authority keeps nothing of what it stamps."""
    return None


def _answer(body: bytes) -> TimeStampResponse:
    try:
        answer = decode_timestamp_response(body)
        if answer.status in (0, 1) and answer.tst_info is not None:
            return answer
        said = ", ".join(answer.status_string) or f"status {answer.status}"
    except ValueError:
        said = "it is no RFC 3161 answer"
    raise Stopped(f"It gave no token: {said[:200]}.", "Look at its address and at what it allows.")


def _why(verifier: Verifier, answer: TimeStampResponse, data: bytes) -> str:
    try:
        verifier.verify(answer, sha256(data).digest())
    except (VerificationError, ValueError) as problem:
        return " ".join(str(problem).split())[:200] or type(problem).__name__
    return ""


def _verifier(place: Place) -> Verifier:
    builder = VerifierBuilder()
    for root in _certificates(place, "ca_file"):
        builder = builder.add_root_certificate(root)
    if "certificate_file" in place.says:
        builder = builder.tsa_certificate(_certificates(place, "certificate_file")[0])
    return builder.build()


def _certificates(place: Place, setting: str) -> list[x509.Certificate]:
    try:
        with Path(str(place.says[setting])).open("rb") as file:
            return x509.load_pem_x509_certificates(file.read(LARGEST_FILE))
    except (OSError, ValueError) as problem:
        raise wrong(f"{place.name}: {setting} holds no certificate in PEM ({problem})") from None
