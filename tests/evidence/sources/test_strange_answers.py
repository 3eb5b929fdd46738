"""Refusals in the words of each system's documentation, and answers that were cut off on the way:
what "test connection" says of them, and what a pull does."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from evidence.sources import CONNECTORS
from evidence.sources.failures import WAITING, Later
from tests.evidence.sources.everyone import SETTINGS, TENANT, account_key, everyone
from tests.evidence.sources.pulling import checks, pages
from tests.evidence.sources.server import Answer, There, serving

__all__ = ["account_key", "everyone"]

type Everyone = Callable[[str, str], dict[str, str]]

TOKEN = Answer(200, {"access_token": "abc.def.ghi", "token_type": "Bearer", "expires_in": 3600})
SIGN_IN = ("/token", f"/{TENANT}/oauth2/v2.0/token")
# What asks nobody, or is answered by somebody else.
OTHERS = {"read the query", "sign in as the application", "sign in with the credentials"}
# AWS answers in XML, and its SDK reads it.
OVER_JSON = [name for name in SETTINGS if not name.startswith(("s3", "cloudtrail"))]


@pytest.fixture
def there() -> Iterator[There]:
    with serving() as made:
        yield made


def answering(there: There, answer: Answer) -> None:
    """Everything answers so, but the sign-in service, which hands out a token."""
    for method in ("GET", "POST"):
        there.on(method, "/*", answer)
        for path in SIGN_IN:
            there.on(method, path, TOKEN)


@pytest.mark.parametrize("name", OVER_JSON)
@pytest.mark.parametrize("body", [b'{"value":[{"id":"a","da', b'[{"id":"a","da'])
def test_answer_that_was_cut_off_is_asked_for_again_and_never_good(
    name: str, body: bytes, there: There, everyone: Everyone
) -> None:
    answering(there, Answer(200, body))
    settings = everyone(name, there.url)
    found = [one for one in checks(CONNECTORS[name], settings) if one.name not in OTHERS]
    assert found
    assert {(one.ok, "breaks off" in one.said, one.fix) for one in found} == {
        (False, True, WAITING)
    }
    if not CONNECTORS[name].lists_only:
        with pytest.raises(Later, match="breaks off"):
            pages(CONNECTORS[name], settings)


@pytest.mark.parametrize("name", ["graph", "gcp"])
def test_list_of_something_else_is_not_called_good(
    name: str, there: There, everyone: Everyone
) -> None:
    answering(there, Answer(200, {"something": "else"}))
    found = checks(CONNECTORS[name], everyone(name, there.url))
    assert [one.name for one in found if one.ok] == [found[0].name]
    assert found[0].name in OTHERS


MAY_NOT = 'User "system:serviceaccount:cs" cannot list resource "roles" at the cluster scope'
OKTA = {"errorCode": "E0000006", "errorSummary": "You do not have permission", "errorCauses": []}
REFUSED: list[tuple[str, Any, str]] = [
    ("okta", OKTA, "You do not have permission"),
    ("kubernetes", {"kind": "Status", "message": MAY_NOT, "code": 403}, MAY_NOT),
    ("phoenix", {"detail": "Not enough permissions"}, "Not enough permissions"),
    ("mlflow", {"error_code": "PERMISSION_DENIED", "message": "no READ"}, "no READ"),
    ("mlflow", b"Permission denied", "Permission denied"),
    ("okta", b"<html><body>Forbidden</body></html>", ""),
]


@pytest.mark.parametrize(("name", "body", "words"), REFUSED)
def test_missing_right_is_named_in_the_words_of_both(
    name: str, body: Any, words: str, there: There, everyone: Everyone
) -> None:
    answering(there, Answer(403, body))
    found = checks(CONNECTORS[name], everyone(name, there.url))
    said = f"the credential may not read this{words and f' ({words})'}"
    assert {one.said.partition("answered 403: ")[2] for one in found} == {said}
    needs = CONNECTORS[name].needs
    assert {one.fix for one in found} == {f"Give it the rights it needs: {needs}."}


SSO = {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?authorization_request=AZ"}
INNER = {"code": "SEM0100", "message": "Failed to resolve table expression named 'SigninLogs'"}
SEMANTIC = {"code": "SemanticError", "message": "A semantic error occurred.", "innererror": INNER}
BAD_QUERY = {"code": "BadArgumentError", "message": "invalid", "innererror": SEMANTIC}
EXPLAINED: list[tuple[str, Answer, str, str]] = [
    ("github", Answer(403, {"message": "SAML"}, SSO), "SAML", "single sign-on"),
    (
        "github",
        Answer(403, {"message": "the organization has an IP allow list enabled"}),
        "IP allow list",
        "this machine's address",
    ),
    ("sentinel", Answer(400, {"error": BAD_QUERY}), "SEM0100: Failed to resolve", "the query"),
    (
        "mlflow",
        Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No Experiment"}),
        "No Experiment",
        "Name the ids",
    ),
]


@pytest.mark.parametrize(("name", "answer", "said", "fix"), EXPLAINED)
def test_refusal_says_what_is_missing(
    name: str, answer: Answer, said: str, fix: str, there: There, everyone: Everyone
) -> None:
    answering(there, answer)
    found = checks(CONNECTORS[name], everyone(name, there.url))
    refused = [one for one in found if one.name not in OTHERS]
    assert refused
    assert {(one.ok, said in one.said, fix in one.fix) for one in refused} == {(False, True, True)}
