"""Findings of many identities that are held in one turn: each as if it were alone, none twice."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import LedgerEntry
from evidence.names import actor_ids
from identities.models import Binding, Credential, Finding, Identity, Revocation
from reviews.automatic import holding
from reviews.models import AutomaticHold, Case, HoldRule, Notice, Rung

from .conftest import ACCOUNT, DAY, NOW, Told, ingest, record
from .holding import LATER, MINUTE, SECRET, behaves, ruled, sweep

AT = LATER + 2 * MINUTE


def behave(story: Told, many: int) -> list[Identity]:
    """So many more service accounts of the story's people, each with a key that reads a secret
    without authority, in one file."""
    start = Identity.objects.count()
    names = [f"svc-{start + number}" for number in range(many)]
    made, records = [], []
    for number, name in enumerate(names, start=start):
        key = ActorName("aws", "access_key", f"AKIAMANY{number:012d}")
        arn = ActorName(f"aws:{ACCOUNT}", "arn", f"arn:aws:iam::{ACCOUNT}:user/{name}")
        actors = actor_ids({key, arn}, now=NOW)
        one = Identity.objects.create(
            name=name,
            kind="service_account",
            service=story.service,
            owner=story.identity.owner,
            sponsor=story.identity.sponsor,
            backup=story.identity.backup,
            purpose="reports",
            expires_at=NOW + 90 * DAY,
            state="active",
            mode="enforce",
            created_at=NOW - DAY,
        )
        Binding.objects.bulk_create(
            Binding(
                identity=one,
                actor_id=actor,
                basis="declared",
                state="confirmed",
                during=(NOW - DAY, None),
                recorded_at=NOW,
                by="command",
            )
            for actor in actors.values()
        )
        Credential.objects.create(
            actor_id=actors[key],
            identity=one,
            kind="access_key",
            standing=True,
            issued_at=NOW - DAY,
            issued_to_id=actors[arn],
            state_at=NOW - DAY,
        )
        said = record(1_000 + number, "GetSecretValue", "", LATER, **SECRET)
        said["userIdentity"] |= {"arn": arn.value, "accessKeyId": key.value, "userName": name}
        made.append(one)
        records.append(said)
    ingest(records, now=LATER + MINUTE)
    return made


def test_each_has_what_one_alone_has(story: Told) -> None:
    ruled(story)
    behaves()
    (alone,) = sweep()
    made = behave(story, 3)
    assert holding.hold_next(now=AT)
    assert not holding.hold_next(now=AT)

    def told(row: AutomaticHold) -> list[object]:
        case, name = row.case, row.identity.name
        held = Revocation.objects.get(case=case.pk)
        acts = LedgerEntry.objects.filter(subject=case.key).order_by("pk")
        mails = Notice.objects.filter(case=case.pk).order_by("occasion", "person__name")
        return [
            (row.state, row.events, row.strength, row.stopped, row.item.kind),
            (case.state, case.door, case.silence, case.title.replace(name, "")),
            (held.step, held.credential_id == row.item.ref, held.because.replace(case.key, "")),
            list(case.items.values_list("position", "kind", "snapshot__held")),
            list(case.seats.order_by("position").values_list("kind", "party")),
            list(case.findings.values_list("pk")) == [(row.finding_id,)],
            sorted(Rung.objects.filter(case=case).values_list("does", "after")),
            [one.act for one in acts],
            [
                (one.person_id, one.occasion.replace(case.key, "").replace(row.key, ""))
                for one in mails
            ],
        ]

    rows = AutomaticHold.objects.filter(identity__in=made)
    assert [told(row) for row in rows] == [told(alone)] * 3
    assert told(alone)[0] == ("held", 1, alone.strength, {"held": True}, "credential")
    assert Revocation.objects.values("credential").distinct().count() == 4


def test_no_more_than_the_limit_and_the_next_one_ends_the_rule(story: Told) -> None:
    ruled(story, per_hour=2, per_day=2)
    behave(story, 4)
    rows = sweep()
    assert [row.state for row in rows] == ["held", "held", "asked"]
    rule = HoldRule.objects.get()
    assert (rule.state, rule.ended_reason) == ("ended", rows[-1].words)
    assert Revocation.objects.count() == 2
    assert LedgerEntry.objects.filter(act="hold_rule.ended").count() == 1


def test_one_that_may_not_be_held_keeps_no_other_from_it(story: Told) -> None:
    ruled(story)
    critical, released, plain = behave(story, 3)
    Identity.objects.filter(pk=critical.pk).update(criticality="critical")
    Finding.objects.filter(identity=released).update(state="false")
    assert holding.hold_next(now=AT)
    states = dict(AutomaticHold.objects.values_list("identity", "state"))
    assert states == {critical.pk: "asked", plain.pk: "held"}
    assert Revocation.objects.get().identity == plain


def test_findings_of_one_identity_come_one_after_the_other(story: Told) -> None:
    ruled(story)
    finding = behaves()
    events = list(finding.events.all())
    one = Finding.objects.get(pk=finding.pk)
    one.pk, one.family, one.number = None, "another", 9_000
    one.save(force_insert=True)
    for event in events:
        event.pk, event.finding = None, one
        event.save(force_insert=True)
    behave(story, 1)
    assert holding.hold_next(now=AT)
    assert AutomaticHold.objects.count() == 2
    assert holding.hold_next(now=AT)
    last = AutomaticHold.objects.latest("number")
    assert (last.finding, last.state) == (one, "asked")
    assert (Case.objects.count(), Revocation.objects.count()) == (2, 2)


@pytest.mark.parametrize("many", [6])
def test_many_cost_as_many_statements_as_few(story: Told, many: int) -> None:
    ruled(story, per_hour=100, per_day=100)
    costs = []
    for number in (1, 2, many):
        behave(story, number)
        with CaptureQueriesContext(connection) as spent:
            assert holding.hold_next(now=AT)
        costs.append(len(spent))
    assert costs[1] == costs[2]
    assert AutomaticHold.objects.filter(state="held").count() == 3 + many
