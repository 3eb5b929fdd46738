"""Every connector before what is no answer of its system: each cause has its own words, none of
them a secret, and no test of a connection calls it good."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evidence.permissions import NotPossible
from evidence.sources import CONNECTORS, outside
from evidence.sources.contract import Check
from evidence.sources.failures import WAITING, Later, Stopped
from tests.evidence.sources.everyone import (
    OTHER,
    SETTINGS,
    TOKEN,
    account_key,
    everyone,
    own_certificate,
)
from tests.evidence.sources.pulling import checks, pages
from tests.evidence.sources.server import Answer, Request, There, serving

__all__ = ["account_key", "everyone"]

# What asks nobody: whether keys are named, how a query reads.
ALONE = ("credentials", "read the query")
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")

type Everyone = Callable[[str, str], dict[str, str]]


@pytest.fixture(scope="module")
def there() -> Iterator[There]:
    with serving() as made:
        yield made


def all_answer(there: There, answer: Answer | Callable[[Request], Answer]) -> None:
    for method in METHODS:
        there.on(method, "/*", answer)


def asked(name: str, settings: dict[str, str]) -> list[Check]:
    """The checks that ask somebody; what stops them all is the first."""
    try:
        found = checks(CONNECTORS[name], settings)
    except (Stopped, Later) as problem:
        return [Check("connection", ok=False, said=problem.what, fix=problem.fix)]
    return [one for one in found if one.name not in ALONE or not one.ok]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    ("address", "words", "fix"),
    [
        ("http://127.0.0.1:1", "Nothing listens at http://127.0.0.1:1", "its port"),
        ("https://no-such-host.invalid", "there is no name no-such-host.invalid", "spelling"),
    ],
)
def test_address_that_leads_nowhere_has_its_own_words(
    name: str, address: str, words: str, fix: str, everyone: Everyone
) -> None:
    first = asked(name, everyone(name, address))[0]
    assert (first.ok, words in first.said, fix in first.fix) == (False, True, True)
    assert WAITING not in first.fix


@pytest.mark.parametrize("name", SETTINGS)
def test_page_for_people_is_no_answer(name: str, there: There, everyone: Everyone) -> None:
    page = Answer(200, b"<!doctype html>\n<html>Sign in</html>", {"Content-Type": "text/html"})
    all_answer(there, page)
    found = asked(name, everyone(name, there.url))
    assert [one.ok for one in found] == [False] * len(found)
    assert found


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("body", [b"null", b'{"something": "else"}'])
def test_another_document_is_no_answer(
    name: str, body: bytes, there: There, everyone: Everyone
) -> None:
    all_answer(there, Answer(200, body))
    found = asked(name, everyone(name, there.url))
    # SQS says of an empty queue nothing at all.
    empty = {"s3_queue": ["sqs:ReceiveMessage"], "mlflow": ["search traces"]}.get(name, [])
    assert [one.name for one in found if one.ok and one.name not in empty] == []
    assert any(not one.ok for one in found)


@pytest.mark.parametrize("name", SETTINGS)
def test_redirect_is_said_without_its_query(name: str, there: There, everyone: Everyone) -> None:
    elsewhere = "https://elsewhere.example/in?token=abc"
    all_answer(there, Answer(302, b"", {"Location": elsewhere}))
    found = asked(name, everyone(name, there.url))
    assert {one.ok for one in found} == {False}
    assert "which leads to https://elsewhere.example/in" in found[0].said
    assert "abc" not in "".join(one.said + one.fix for one in found)


@pytest.mark.parametrize("name", SETTINGS)
def test_secret_that_comes_back_is_told_to_nobody(
    name: str, there: There, everyone: Everyone
) -> None:
    def echo(request: Request) -> Answer:
        said = f"bad credential: {request.headers.get('authorization')} in {request.body!r}"
        return Answer(400, {"message": said, "error": {"reason": said, "message": said}})

    all_answer(there, echo)
    settings = everyone(name, there.url)
    found = [one.said + one.fix for one in asked(name, settings)]
    if not CONNECTORS[name].lists_only:
        with pytest.raises((Stopped, Later)) as problem:
            pages(CONNECTORS[name], settings)
        found.append(str(problem.value))
    told = "\n".join(found)
    for secret in (TOKEN, OTHER, TOKEN[:12], "UzNjcjN0VE9L"):
        assert secret not in told


@pytest.mark.real_clock
def test_certificate_that_nobody_vouches_for_is_named_until_a_file_does(
    tmp_path: Path, everyone: Everyone, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = own_certificate(tmp_path)
    with serving(certificate=(certificate, key)) as secure:
        secure.on("GET", "/*", Answer(200, []))
        settings = everyone("okta", secure.url)
        (before,) = asked("okta", settings)
        assert (before.ok, "self-signed certificate" in before.said) == (False, True)
        assert "SSL_CERT_FILE" in before.fix
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert [one.ok for one in asked("okta", settings)] == [True]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere"))
        (gone,) = asked("okta", settings)
        assert (gone.ok, "SSL_CERT_FILE" in gone.said) == (False, True)


OVER_HTTP = [name for name in SETTINGS if name != "kubernetes"]


@pytest.mark.parametrize("name", OVER_HTTP)
@pytest.mark.real_clock
def test_authority_of_one_source_is_a_file_that_is_read_when_it_is_used(
    name: str, tmp_path: Path, everyone: Everyone
) -> None:
    certificate, key = own_certificate(tmp_path)
    file = tmp_path / "authority.pem"
    with serving(certificate=(certificate, key)) as secure:
        all_answer(secure, Answer(503, b"{}"))
        settings = {**everyone(name, secure.url), "ca_file": str(file)}
        said = [one.said for one in asked(name, settings)]
        assert {f"The file {file}, which ca_file names, cannot be read" in one for one in said} == {
            True
        }
        file.write_bytes(certificate.read_bytes())
        found = asked(name, settings)
        # What is wrong now is said by the system itself.
        assert [one for one in found if "certificate" in one.said.lower()] == []
        assert any("503" in one.said for one in found)
        file.write_bytes(b"S3cr3tOfSomebody")
        assert {one.said for one in asked(name, settings)} == {
            f"The file {file}, which ca_file names, holds no certificates."
        }


def test_file_of_an_authority_is_the_only_one_that_is_trusted(
    tmp_path: Path, everyone: Everyone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    certificate, key = own_certificate(ours)
    other, _ = own_certificate(theirs)
    with serving(certificate=(certificate, key)) as secure:
        secure.on("GET", "/*", Answer(200, []))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        settings = {**everyone("okta", secure.url), "ca_file": str(other)}
        (found,) = asked("okta", settings)
        assert (found.ok, "is not trusted" in found.said, "ca_file" in found.fix) == (
            False,
            True,
            True,
        )


@pytest.mark.parametrize("path", ["ca.pem", "env:CA", "file:/ca.pem", "/a\0b"])
def test_file_of_an_authority_is_named_by_its_whole_path(path: str, everyone: Everyone) -> None:
    with pytest.raises(NotPossible, match="File of its certificate authority: "):
        asked("okta", {**everyone("okta", "https://acme.example"), "ca_file": path})


@pytest.mark.parametrize("kind", ["folder", "pipe", "huge"])
def test_file_of_an_authority_that_is_none_is_not_read(
    kind: str, tmp_path: Path, everyone: Everyone
) -> None:
    place = tmp_path / "there"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        with place.open("wb") as file:
            file.truncate(outside.LARGEST_AUTHORITIES + 1)
    (found,) = asked("okta", {**everyone("okta", "https://acme.example"), "ca_file": str(place)})
    assert found.said.endswith("is larger than 4 MiB." if kind == "huge" else "is no file.")


def test_plain_server_behind_https_is_named(there: There, everyone: Everyone) -> None:
    (found,) = asked("okta", everyone("okta", there.url.replace("http:", "https:")))
    assert (found.ok, "does not speak TLS" in found.said) == (False, True)


@pytest.mark.parametrize(
    "url",
    [
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b:1::a9fe:a9fe]/",
        "https://[::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://[fe80::1]/",
        "https://[fd00:ec2::254]/",
        "https://169.254.169.254/",
        "https://168.63.129.16/",
        "https://100.100.100.200/",
    ],
)
@pytest.mark.parametrize("private", [False, True])
def test_where_clouds_keep_credentials_is_never_asked(url: str, private: bool) -> None:
    with pytest.raises(outside.Refused):
        outside.place_of(url, allow_private=private)


@pytest.mark.parametrize(
    "url",
    [
        "https://[fec0::1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[::1]/",
        # Segment routing (RFC 9602), an IPv4-compatible address, and what is assigned to nobody.
        "https://[5f00::1]/",
        "https://[::8.8.8.8]/",
        "https://[::10.0.0.1]/",
        "https://[::ffff:0:8.8.8.8]/",
        "https://[4000::1]/",
        "https://[a000::1]/",
    ],
)
def test_inner_addresses_in_disguise_are_private(url: str) -> None:
    with pytest.raises(outside.Refused, match="is not a public address"):
        outside.place_of(url)
    assert outside.place_of(url, allow_private=True).server_name


@pytest.mark.parametrize(
    "url",
    ["https://[2606:4700::1111]/", "https://[::ffff:8.8.8.8]/", "https://[64:ff9b::8.8.8.8]/"],
)
def test_public_addresses_of_ipv6_are_spoken_to(url: str) -> None:
    assert outside.place_of(url).url.startswith("https://")
