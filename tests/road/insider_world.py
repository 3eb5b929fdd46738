"""What the walk finds: the story of the reviews, with everything that can wait for a signature, and
the address of each route in it.

Everything that waits was proposed by one person, whom a walk chooses.
"""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.apps import apps

from evidence.models import Anchor, Connection, Deposit, Erasure, Event, Source
from identities.models import Credential, Finding, OutgoingSwitch, Party, Person, User
from reviews.models import Bundle, Case, Freeze, Item, ModeRule
from tests.reviews.conftest import NOW, Told, person_of
from tests.reviews.permission_glass import DOCUMENT
from tests.reviews.test_api_permission_first import Act
from tests.road.insider_routes import Route

DAY = timedelta(days=1)
WORDS = "because it is so"


def plant(story: Told) -> dict[str, dict[str, Any]]:
    """One proposal of each kind that no act of the API needs; where each of them lies."""
    vera = User.objects.get(username="vera")
    said: dict[str, Any] = {
        "reason": "x",
        "proposed_at": NOW,
        "proposed_by": vera.ref,
        "proposed_person": person_of(vera),
    }
    mode = ModeRule.objects.create(scope={"kinds": ["agent"]}, mode="ask", **said)
    freeze = Freeze.objects.create(since=NOW, until=NOW + DAY, asked=person_of(story.rita), **said)
    bundle = Bundle.objects.create(slug="more", version=1, document=DOCUMENT, **said)
    OutgoingSwitch.objects.create(to="stopped", **said)
    Connection.objects.create(
        source=Source.objects.get(name="cloudtrail"),
        connector="elastic",
        settings={"url": "https://logs.invalid", "api_key": "ELASTIC", "index": "logs-*"},
        next_at=NOW + timedelta(minutes=5),
    )
    for row in (mode, freeze):
        row.refresh_from_db()
    return {
        "mode": {"key": mode.key},
        "freeze": {"key": freeze.key},
        "bundle": {"slug": bundle.slug, "version": bundle.version},
    }


def proposed_by(person: Person) -> int:
    """Everything that waits for a second signature was proposed by this person."""
    count = 0
    for model in apps.get_models():
        names = {field.name for field in model._meta.get_fields()}
        if {"proposed_person", "state"} <= names:
            rows = model._default_manager.filter(state="proposed")
            count += rows.update(proposed_person=person)
    return count + Erasure.objects.filter(state="asked").update(asked_person=str(person.pk))


class World:
    """The addresses of the routes, and plausible values of what bodies name."""

    def __init__(self, story: Told, acts: dict[str, Act]) -> None:
        self.acts, self.own = acts, plant(story)
        case = Case.objects.get(**_by_key(acts["api_decide"].address["key"]))
        finding, credential = Finding.objects.first(), Credential.objects.first()
        deposit, anchor = Deposit.objects.first(), Anchor.objects.first()
        assert finding is not None
        assert credential is not None
        assert deposit is not None
        self.case, identity = case, story.identity
        item = Item.objects.filter(case=case).first()
        assert item is not None
        room = acts["api_timeline"].address["key"]
        self.places: list[tuple[str, dict[str, Any]]] = [
            (r"runs/", {"key": "0"}),
            (r"sources/.*holds/", acts["api_hold_release"].address),
            (r"cases/.*(room|timeline|containment|playbooks|seal)/", {"key": room, "step": "1"}),
            (r"(cases|incidents)/", {"key": case.key}),
            (r"identities/", {"key": identity.key}),
            (r"findings/", {"key": finding.key, "pk": finding.pk}),
            (r"credentials/", {"key": credential.key}),
            (r"revocations/", acts["api_revocation_sign"].address),
            (r"(sources|evidence|inventory)/", {"name": "cloudtrail"}),
            (r"deposits/", {"number": deposit.pk}),
            (r"ledger/", {"number": anchor.pk if anchor else 1}),
            (r"people/", {"pk": person_of(story.marek).pk}),
            (r"services/", {"slug": story.service.slug}),
            (r"owned/offers/", acts["api_offer"].address),
            (r"owned/succession/", acts["api_succession"].address),
            (r"owned/left/", {"pk": person_of(story.leila).pk}),
            (r"links/", acts["api_sign_link"].address),
            (r"unclaimed/answers/", acts["api_claim_undo"].address),
            (r"campaigns/", acts["api_campaign_launch"].address),
            (r"policies/", acts["api_policy_sign"].address),
            (r"freezes/", self.own["freeze"]),
            (r"modes/", self.own["mode"]),
            (r"break-glass/bundles/", self.own["bundle"]),
            (r"break-glass/sealed/uses/", acts["api_sealed_explain"].address),
            (r"break-glass/sealed/", acts["api_sealed_sign"].address),
            (r"break-glass/accounts/uses/", acts["api_break_glass_account_use"].address),
            (r"break-glass/accounts/", acts["api_break_glass_account_end"].address),
            (r"break-glass/", acts["api_break_glass_approve"].address),
            (r"changes/", acts["api_change_sign"].address),
            (r"automatic-holds/held/", acts["api_automatic_release"].address),
            (r"automatic-holds/", acts["api_hold_rule_sign"].address),
            (r"alerts/", acts["api_alert_match"].address),
            (r"grants/", acts["api_grant_retry"].address),
            (r"playbooks/", acts["api_playbook_sign"].address),
        ]
        self.values: dict[str, Any] = {
            "identity": identity.key,
            "identities": [identity.key],
            "name": "svc-more",
            "credential": credential.key,
            "finding": finding.key,
            "case": case.key,
            "item": str(item.pk),
            "items": [str(item.pk)],
            "seat": str(case.seats.filter(kind="identity_owner").get().pk),
            "version": case.version,
            "actor": credential.actor_id,
            "person": str(person_of(story.marek).pk),
            "party": str(Party.objects.get(person=story.ines.person).pk),
            "to": "marek@example.org",
            "asked": "rita@example.org",
            "since": "2026-11-25T08:00",
            "through": "2026-11-24T11:00",
            "due_at": "2026-11-26 17:00",
            "detected_at": "2026-11-24 10:00",
            "severity": "high",
            "event": _ref(),
            "events": [_ref()],
            "targets": [credential.key],
            "names": credential.key,
            "pick": credential.key,
            "does": "hold",
            "step": "hold",
            "number": 1,
            "playbook": "leaked-key/1",
            "others": "",
            "slug": "more-of-it",
            "document": json.dumps(DOCUMENT),
            "known": WORDS,
            "unknown": WORDS,
            "finding_was": "false",
            "disposition": "false",
            "tools": ["search"],
            "ai_system": None,
            "model": "m-1",
            "digest": "",
            "contract_ends": "2027-11-24",
            "contract_ends_at": (NOW + 90 * DAY).isoformat(),
            "gone": "leila@example.org",
            "place": "sponsor",
            "ticket": "OPS-1",
            "service": story.service.slug,
            "source": "cloudtrail",
            "sources": ["cloudtrail"],
            "key": str(uuid4()),
            "request_key": str(uuid4()),
            "ends_at": (NOW + DAY).isoformat(),
            "until": "2026-11-26T08:00",
            "expires_at": (NOW + 90 * DAY).isoformat(),
            "at": NOW.isoformat(),
            "actions": ["s3:GetObject"],
            "resources": ["invoices/*"],
            "scope": {"kinds": ["agent"]},
            "bundle": "contain",
            "minutes": 30,
            "retention_days": 30,
            "keep_filter": "drop action s3:Get*",
            "connector": "s3",
            "settings": {"bucket": "logs", "format": "cloudtrail"},
            **dict.fromkeys(("reason", "because", "words", "why", "text", "purpose"), WORDS),
        }

    def kwargs(self, route: Route) -> dict[str, Any]:
        """What stands in the places of this route's address."""
        wanted = re.findall(r"<(?:\w+:)?(\w+)>", route.path)
        name = re.sub(r"^room_", "incident_", route.name.removeprefix("api_"))
        known = self.acts.get(f"api_{name}")
        given = dict(known.address) if known else {}
        path = route.path.removeprefix("^").removeprefix("api/")
        for pattern, place in self.places:
            if re.match(pattern, path):
                given = place | given
                break
        spare = {"uuid": uuid4(), "int": 1}
        for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", route.path):
            given.setdefault(name, spare.get(kind, "x"))
        return {name: given[name] for name in wanted}

    def address(self, route: Route, more: dict[str, Any] | None = None) -> str:
        """Where a request to this route goes; its fixed arguments are the resolver's."""
        path = route.path
        if path.startswith("^") or "(?P<" in path:
            path = re.sub(r"\(\?P<(\w+)>(?:[^()\[\]]|\[[^\]]*\])*\)", r"<\1>", path)
            path = re.sub(r"[\^$]|/\?", "", path)
        given = self.kwargs(Route(route.name, path, route.verbs)) | (more or {})
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda part: str(given[part[1]]), path)


def _ref() -> str:
    """How pages and the API name one event."""
    event = Event.objects.first()
    assert event is not None
    return f"{int(event.at.timestamp() * 1_000_000)}-{event.id}"


def _by_key(key: str) -> dict[str, Any]:
    return {"number": int(key.rpartition("-")[2])}
