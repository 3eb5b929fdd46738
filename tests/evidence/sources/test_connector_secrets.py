"""What a connector's settings can make this server send: nothing but its secret, to its address.

Over the pages with a real receiving host. Settings are also written past the pages, as an old
version or the database would hold them.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from evidence import connecting, pulls
from evidence.models import Connection, Pull, Source
from evidence.sources import CONNECTORS, connector_secrets
from tests.connector_secrets import Kept
from tests.evidence.conftest import NOW
from tests.evidence.readers import person, signed_in
from tests.evidence.sources.everyone import SETTINGS, TOKEN, account_key, everyone
from tests.evidence.sources.server import Answer, There, serving

__all__ = ["account_key", "everyone", "person", "signed_in"]
pytestmark = pytest.mark.django_db
CANARY = "s3cret-canary-0123456789"


@pytest.fixture
def there() -> Iterator[There]:
    with serving() as made:
        made.on("GET", "/services/authentication/current-context", Answer(200, {"entry": []}))
        yield made


@pytest.fixture
def made(source: Callable[..., Source], settings: Any, tmp_path: Path) -> Source:
    settings.ALLOW_PRIVATE = True
    settings.CONNECTOR_SECRETS = str(tmp_path / "connectors")
    Path(settings.CONNECTOR_SECRETS).mkdir(mode=0o700)
    return source()


@pytest.fixture
def client(signed_in: Callable[..., Client]) -> Client:
    return signed_in("jonas", "administrator")


def connected(client: Client, made: Source, url: str, token: str) -> Any:
    """By the page."""
    said = {"set_url": url, "set_token": token, "set_search": "s", "set_app": "search"}
    return client.post(
        f"/sources/{made.name}/connect/",
        {"connector": "splunk", "every_seconds": 60, "first_days": 1} | said,
    )


def written(made: Source, url: str, token: str) -> None:
    """Past the page."""
    said = {"url": url, "token": token, "search": "s", "app": "search"}
    Connection.objects.update_or_create(
        source=made, defaults={"connector": "splunk", "settings": said}
    )


def tested(client: Client, made: Source) -> str:
    return str(client.post(f"/sources/{made.name}/check/").content.decode())


def test_a_secret_goes_to_the_address_that_it_is_filed_for(
    client: Client, made: Source, there: There, secret_file: Kept
) -> None:
    secret_file("splunk-token", CANARY, there.url)
    assert connected(client, made, there.url, "splunk-token").status_code == 302
    tested(client, made)
    assert {one.headers["authorization"] for one in there.asked} == {f"Bearer {CANARY}"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/passwd", "a secret is named, not given"),
        ("../secret_key", "a secret is named, not given"),
        ("..", "a secret is named, not given"),
        ("sub/token", "a secret is named, not given"),
        ("splunk-token.hosts", "a secret is named, not given"),
        ("file:/etc/passwd", "env: and file: are no longer read"),
        ("env:PATH", "env: and file: are no longer read"),
        ("env:SECRET_KEY", "env: and file: are no longer read"),
        ("SECRET_KEY", "There is no secret SECRET_KEY"),
        ("DATABASE_URL", "There is no secret DATABASE_URL"),
        ("PATH", "There is no secret PATH"),
        ("okta-token", "The secret okta-token may not be sent to"),
        ("no-hosts", "The secret no-hosts may not be sent to"),
    ],
)
def test_what_is_no_secret_of_this_address_is_not_sent(
    client: Client,
    made: Source,
    there: There,
    secret_file: Kept,
    name: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("SECRET_KEY", "DATABASE_URL"):
        monkeypatch.setenv(variable, CANARY)
    secret_file("splunk-token", CANARY, there.url)
    secret_file("okta-token", CANARY, "https://acme.okta.com")
    secret_file("no-hosts", CANARY)
    answer = connected(client, made, there.url, name)
    refused = words.startswith(("a secret", "env:"))
    assert answer.status_code == (400 if refused else 302)
    if refused:
        assert words in answer.content.decode()
    written(made, there.url, name)
    page = tested(client, made)
    pulls.ask(source=made, by="test", now=NOW)
    pulls.run_next(clock=lambda: NOW, source=made)
    assert there.asked == []
    assert words[2:] in page  # in the page it begins a sentence
    row = Pull.objects.get()
    assert (row.state, words[2:] in f"{row.problem} {row.fix}") == ("failed", True)
    assert CANARY not in page + row.problem + row.fix


def _link_out(folder: Path, outside: Path) -> None:
    (folder / "token").symlink_to(outside)


def _link_of_folder(folder: Path, outside: Path) -> None:
    (folder / "token").symlink_to(outside.parent)


def _directory(folder: Path, _: Path) -> None:
    (folder / "token").mkdir()


def _pipe(folder: Path, _: Path) -> None:
    os.mkfifo(folder / "token", 0o600)


def _open_to_all(folder: Path, _: Path) -> None:
    (folder / "token").write_text(CANARY)
    (folder / "token").chmod(0o644)


def _too_large(folder: Path, _: Path) -> None:
    (folder / "token").write_text("x" * (connector_secrets.LARGEST + 1))
    (folder / "token").chmod(0o600)


def _hosts_open_to_all(folder: Path, _: Path) -> None:
    (folder / "token").write_text(CANARY)
    (folder / "token").chmod(0o600)
    (folder / "token.hosts").chmod(0o646)


def _hosts_link_out(folder: Path, outside: Path) -> None:
    (folder / "token").write_text(CANARY)
    (folder / "token").chmod(0o600)
    (folder / "token.hosts").rename(outside.parent / "hosts")
    (folder / "token.hosts").symlink_to(outside.parent / "hosts")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_link_out, "is a link out of the folder"),
        (_link_of_folder, "is a link out of the folder"),
        (_directory, "is no file"),
        (_pipe, "is no file"),
        (_open_to_all, "is open to every user of the machine"),
        (_too_large, "is larger than 64 KiB"),
        (_hosts_open_to_all, "is open to every user of the machine"),
        (_hosts_link_out, "is a link out of the folder"),
    ],
)
def test_what_is_no_private_file_of_the_folder_is_not_sent(
    client: Client,
    made: Source,
    there: There,
    settings: Any,
    tmp_path: Path,
    prepare: Callable[[Path, Path], None],
    words: str,
) -> None:
    folder, outside = Path(settings.CONNECTOR_SECRETS), tmp_path / "outside" / "secret"
    outside.parent.mkdir()
    outside.write_text(CANARY)
    outside.chmod(0o600)
    (folder / "token.hosts").write_text(f"{there.url}\n")
    (folder / "token.hosts").chmod(0o600)
    prepare(folder, outside)
    assert connected(client, made, there.url, "token").status_code == 302
    assert words in tested(client, made)
    assert there.asked == []


def test_mounted_secrets_are_links_within_the_folder(
    client: Client, made: Source, there: There, settings: Any
) -> None:
    folder = Path(settings.CONNECTOR_SECRETS)
    (folder / "..2026").mkdir()
    for name, text in (("token", CANARY), ("token.hosts", there.url)):
        (folder / "..2026" / name).write_text(text)
        (folder / "..2026" / name).chmod(0o440)
        (folder / name).symlink_to(Path("..2026") / name)
    connected(client, made, there.url, "token")
    tested(client, made)
    assert {one.headers["authorization"] for one in there.asked} == {f"Bearer {CANARY}"}


def test_a_changed_host_gets_nothing_until_the_operator_allows_it(
    client: Client, made: Source, there: There, secret_file: Kept
) -> None:
    secret_file("splunk-token", CANARY, there.url)
    with serving() as other:
        assert connected(client, made, other.url, "splunk-token").status_code == 302
        page = tested(client, made)
        assert (other.asked, there.asked) == ([], [])
        assert f"The secret splunk-token may not be sent to {other.url}" in page
        assert f"to add the line {other.url} to" in page
        secret_file("splunk-token", CANARY, other.url)
        tested(client, made)
        assert {one.headers["authorization"] for one in other.asked} == {f"Bearer {CANARY}"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_never_carries_the_secret(
    client: Client, made: Source, there: There, secret_file: Kept, status: int
) -> None:
    secret_file("splunk-token", CANARY, there.url)
    with serving() as other:
        there.fail(*[Answer(status, headers={"Location": f"{other.url}/x"})] * 9)
        connected(client, made, there.url, "splunk-token")
        page = tested(client, made)
        assert (other.asked, len(there.asked) > 0) == ([], True)
    assert f"leads to {other.url}" in page


def test_a_client_that_follows_redirects_is_stopped_as_well(
    made: Source, there: There, secret_file: Kept
) -> None:
    from evidence.sources import outside
    from evidence.sources.failures import Stopped
    from evidence.sources.patience import Patience

    secret_file("token", CANARY, there.url)
    given = connector_secrets.Given()
    given.add(connector_secrets.read("token", called="token"))
    with serving() as other:
        there.on("GET", "/", Answer(302, headers={"Location": f"{other.url}/x"}))
        patient = Patience(lambda: None)
        with (
            outside.client(allow_private=True, patience=patient, require=given.require) as client,
            pytest.raises(Stopped, match="may not be sent to"),
        ):
            client.get(there.url, follow_redirects=True, headers={"X-Token": CANARY})
        assert (other.asked, len(there.asked)) == ([], 1)


def test_a_token_that_was_issued_for_a_secret_is_bound_as_the_secret_is(
    client: Client, made: Source, there: There, secret_file: Kept
) -> None:
    secret_file("graph-secret", CANARY, there.url)
    tenant = "11111111-2222-3333-4444-555555555555"
    there.on(
        "POST",
        f"/{tenant}/oauth2/v2.0/token",
        Answer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": "issued"}),
    )
    with serving() as other:
        said = {"tenant": tenant, "client_id": "c", "secret": "graph-secret", "logs": "users"}
        said |= {"login": there.url, "url": other.url}
        Connection.objects.create(source=made, connector="graph", settings=said)
        assert f"may not be sent to {other.url}" in tested(client, made)
        assert (other.asked, len(there.asked) > 0) == ([], True)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_connector_sends_nothing_to_an_address_it_is_not_filed_for(
    name: str,
    client: Client,
    made: Source,
    there: There,
    everyone: Callable[[str, str], dict[str, str]],
    settings: Any,
) -> None:
    said = everyone(name, there.url)
    for hosts in Path(settings.CONNECTOR_SECRETS).glob("*.hosts"):
        hosts.write_text("elsewhere.example.org\n")
    Connection.objects.create(
        source=made, connector=name, settings=connecting.checked(CONNECTORS[name], said)
    )
    page = tested(client, made)
    carried = [one for one in there.asked if "authorization" in one.headers or one.body]
    assert carried == []
    assert "may not be sent to" in page
    assert TOKEN not in page


@pytest.mark.parametrize(
    ("line", "url", "admitted"),
    [
        ("acme.okta.com", "https://acme.okta.com/api", True),
        ("ACME.okta.com", "https://acme.OKTA.com:443/api", True),
        ("acme.okta.com", "http://acme.okta.com/api", False),
        ("acme.okta.com", "https://acme.okta.com:8443/", False),
        ("acme.okta.com", "https://acme.okta.com.evil.example/", False),
        ("acme.okta.com", "https://acme.okta.com@evil.example/", False),
        ("acme.okta.com", "https://evil.example/acme.okta.com", False),
        ("acme.okta.com", "https://evil.example#acme.okta.com", False),
        ("siem.example.org:8089", "https://siem.example.org:8089/x", True),
        ("http://10.0.0.5:9200", "http://10.0.0.5:9200/_search", True),
        ("http://10.0.0.5:9200", "https://10.0.0.5:9200/_search", False),
        ("[::1]:8443", "https://[::1]:8443/", True),
        ("*.amazonaws.com", "https://sts.eu-central-1.amazonaws.com/", True),
        ("*.amazonaws.com", "https://amazonaws.com/", False),
        ("*.amazonaws.com", "https://evilamazonaws.com/", False),
        ("*.amazonaws.com", "https://a.amazonaws.com.evil.example/", False),
    ],
)
def test_line_of_a_hosts_file(line: str, url: str, admitted: bool) -> None:
    allowed, asked = connector_secrets.address(line), connector_secrets.address(url)
    assert allowed is not None
    assert (asked is not None and allowed.admits(asked)) is admitted


@pytest.mark.parametrize("line", ["*", "*.com", "*.*.org", "a b", "ftp://x.org", "x.org:port", ""])
def test_line_that_is_no_address(line: str) -> None:
    assert connector_secrets.address(line) is None


def test_files_are_written_for_their_owner_alone(made: Source) -> None:
    connector_secrets.keep("token", CANARY, ["https://acme.okta.com"])
    for name in ("token", "token.hosts"):
        assert stat.S_IMODE((connector_secrets.folder() / name).stat().st_mode) == 0o600
    assert repr(connector_secrets.read("token", called="token")) == "Secret(token)"
    with pytest.raises(FileExistsError):
        connector_secrets.keep("token", "another", [])
    assert connector_secrets.read("token", called="token").text == CANARY
