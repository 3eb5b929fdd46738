"""Spans through the real door: an OpenTelemetry exporter's batches over HTTP, each acknowledged.

Run against a server: ``python -m tests.bench.exporter URL TOKEN [SPANS] [SENDERS]``. The batches
are made before the clock runs, so that the sender's own cost stays out of the number.
"""

import gzip
import http.client
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Thread
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.bench import synthetic

BATCH = 512


class Sent(NamedTuple):
    """What came of all batches."""

    spans: int
    seconds: float
    refused: int

    @property
    def rate(self) -> float:
        """Acknowledged spans a second."""
        return self.spans / self.seconds


def send(
    url: str,
    token: str,
    batches: Sequence[bytes],
    *,
    senders: int,
    packed: bool,
    beside: Mapping[str, str] = MappingProxyType({}),
) -> Sent:
    """Send all batches with this many connections; a refused batch is sent again.

    `beside`: headers that this door wants beside the usual ones.
    """
    bodies = [gzip.compress(body, 1) for body in batches] if packed else list(batches)
    place = urlsplit(url)
    refused = [0] * senders
    wrong: list[str] = []
    headers = {
        "Content-Type": "application/x-protobuf",
        "Authorization": f"Bearer {token}",
        **({"Content-Encoding": "gzip"} if packed else {}),
        **beside,
    }

    def work(number: int) -> None:
        line = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port or 80)
        for body in bodies[number::senders]:
            while True:
                line.request("POST", "/v1/traces", body, headers)
                answer = line.getresponse()
                answer.read()
                if answer.status == 200:
                    break
                if answer.status not in (429, 503):
                    wrong.append(f"{answer.status} {answer.reason}")
                    return
                refused[number] += 1
                time.sleep(float(answer.headers.get("Retry-After", "1")))
        line.close()

    threads = [Thread(target=work, args=(number,)) for number in range(senders)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(f"the door answered {wrong[0]}")
    return Sent(len(bodies) * BATCH, time.perf_counter() - began, sum(refused))


def main(url: str, token: str, spans: int = 50_000, senders: int = 2) -> None:
    start = datetime.now(UTC) - timedelta(hours=3)
    batches = list(
        synthetic.otlp(
            spans=spans // BATCH * BATCH, body=BATCH, start=start, seed=time.time_ns() % 1_000_000
        )
    )
    for packed in (False, True):
        half = batches[: len(batches) // 2] if packed else batches[len(batches) // 2 :]
        sent = send(url, token, half, senders=senders, packed=packed)
        print(
            f"{'gzip' if packed else 'plain'}: {sent.rate:,.0f} spans/s acknowledged"
            f" ({sent.spans:,} spans, {senders} senders, {sent.refused} refused)"
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(one) for one in sys.argv[3:]))
