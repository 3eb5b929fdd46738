"""The AWS account of the tests: moto's real server behind the proxy, as a context manager."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.demo import aws


@contextmanager
def running() -> Iterator[aws.Demo]:
    """An empty account with its authorisation on, ended afterwards."""
    demo = aws.start()
    try:
        yield demo
    finally:
        demo.end()
