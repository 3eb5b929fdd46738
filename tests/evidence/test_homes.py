"""Names without a realm: never one actor of two sources, never two of one realm."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import call_command

from evidence import actions, intake
from evidence.models import Actor, Event, LedgerEntry, Source
from evidence.permissions import COMMAND, NotAllowed, NotPossible, Reader
from tests.evidence.conftest import NOW

pytestmark = pytest.mark.django_db

ROBOT = "system:serviceaccount:default:default"
EVENT: dict[str, Any] = {
    "auditID": "a",
    "stage": "ResponseComplete",
    "verb": "get",
    "requestURI": "/api/v1/pods",
    "user": {"username": ROBOT},
    "objectRef": {"resource": "pods"},
    "requestReceivedTimestamp": "2026-11-24T10:00:00Z",
}


def send(source: Source, *events: dict[str, Any]) -> intake.Taken:
    body = b"\n".join(map(orjson.dumps, events))
    return intake.take(source=source, body=body, by="test", now=NOW, format="kubernetes")


def realms() -> set[str]:
    return set(Actor.objects.filter(value=ROBOT).values_list("realm", flat=True))


def test_same_name_of_two_sources_is_two_actors(source: Callable[..., Source]) -> None:
    one, other = source("one"), source("other")
    for here in (one, other):
        assert send(here, EVENT, EVENT | {"auditID": "b"}).events == 2
    assert realms() == {"k8s:source/one", "k8s:source/other"}
    assert Event.objects.values("principal_id").distinct().count() == 2


def test_two_sources_of_one_realm_are_one(source: Callable[..., Source]) -> None:
    one, other = source("one"), source("other")
    for here in (one, other):
        actions.set_realms(source=here, realms=["k8s:Prod"], by=COMMAND, now=NOW)
        here.refresh_from_db()
    assert send(one, EVENT).events == 1
    assert send(other, EVENT).duplicates == 1
    assert realms() == {"k8s:prod"}


def test_record_that_names_its_cluster_and_one_that_does_not_are_of_one_realm(
    source: Callable[..., Source],
) -> None:
    here = source("one", realms=["k8s:prod"])
    taken = send(here, EVENT, EVENT | {"auditID": "b", "cluster": "prod"})
    assert (taken.events, taken.rejects, realms()) == (2, 0, {"k8s:prod"})


def test_realm_that_is_said_later_moves_what_is_read_again(source: Callable[..., Source]) -> None:
    here = source("one")
    assert send(here, EVENT).events == 1
    out = StringIO()
    call_command("source", "realm", "one", "k8s:prod", stdout=out)
    assert out.getvalue().startswith("one may speak for k8s:prod; what came before: manage.py")
    assert LedgerEntry.objects.filter(act="source.realms").count() == 1
    call_command("reread", "--source", "one", "--format", "kubernetes", "--no-wait", stdout=out)
    used = Event.objects.values_list("principal_id", flat=True)
    assert [one.realm for one in Actor.objects.filter(id__in=used)] == ["k8s:prod"]
    here.refresh_from_db()
    # What is delivered again, among others, is the event that is here.
    taken = send(here, EVENT, EVENT | {"auditID": "b"})
    assert (taken.events, taken.duplicates, Event.objects.count()) == (1, 1, 2)


def test_realms_are_said_by_administrators_once(source: Callable[..., Source]) -> None:
    here = source("one")
    for _ in range(2):
        actions.set_realms(source=here, realms=["k8s:b", " K8S:a "], by=COMMAND, now=NOW)
    entry = LedgerEntry.objects.get(act="source.realms")
    assert entry.data == {"realms": ["k8s:a", "k8s:b"], "before": []}
    with pytest.raises(NotPossible, match="A realm has at most 200 characters"):
        actions.set_realms(source=here, realms=["x" * 201], by=COMMAND, now=NOW)
    nobody = Reader("user:1", "nobody")
    with pytest.raises(NotAllowed, match="You may not administer sources"):
        actions.set_realms(source=here, realms=[], by=nobody, now=NOW)
