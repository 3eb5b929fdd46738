"""manage.py otlp_grpc: spans that are sent over gRPC are stored, for as long as this runs."""

import ssl
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence import arriving, listening, otlp_grpc


class Command(BaseCommand):
    help = (
        "Takes OTLP over gRPC, with the tokens of sources (authorization: Bearer ...), as"
        " /v1/traces takes it over HTTP. Several senders and sources share one port."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:4317", metavar="HOST:PORT")
        parser.add_argument(
            "--certificate", metavar="PATH", help="in PEM, with what leads to its authority"
        )
        parser.add_argument("--key", metavar="PATH", help="the private key of the certificate")

    def handle(self, *_: Any, **options: Any) -> None:
        keys = _keys(options["key"], options["certificate"])
        with arriving.stopping() as stop:
            try:
                host, port = listening.address(
                    options["bind"],
                    what="without --certificate and --key tokens are not encrypted",
                    anywhere=keys is not None,
                )
                receiver = otlp_grpc.Receiver(host, port, keys=keys)
            except listening.Wrong as problem:
                raise CommandError(f"--bind: {problem}.") from None
            self.stderr.write(f"OTLP over gRPC is taken at {host}, port {receiver.port}")
            try:
                stop.wait()
            finally:
                receiver.close()


def _keys(key: str | None, certificate: str | None) -> tuple[bytes, bytes] | None:
    if not key and not certificate:
        return None
    if not key or not certificate:
        raise CommandError("--certificate and --key belong together.")
    try:
        # gRPC says of a pair that does not match only that it cannot listen.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            certificate, key, password=""
        )
        return Path(key).read_bytes(), Path(certificate).read_bytes()
    except ssl.SSLError:
        raise CommandError(
            "--certificate and --key: they are no certificate in PEM with its private key."
        ) from None
    except OSError as problem:
        raise CommandError(f"--certificate and --key: {problem.strerror}.") from None
