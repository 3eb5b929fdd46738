"""Packs and frozen events for scripts: siblings of the pages over the same calls."""

from typing import Any

from django.http import FileResponse, Http404
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evidence import looked
from evidence.models import Capsule, Pack
from identities.api.doors import door, named, page_of
from identities.api.identities import user_of
from identities.api.serializers import checked
from identities.models import User
from identities.permissions import require
from reviews import readers, selections, visible
from reviews.packs import handing, ordering, subjects
from reviews.pages import capsule as capsule_data
from reviews.pages import selected
from reviews.pages.packs import pack_of
from reviews.pages.selected import selection_of

# A token that may read may also take out what it reads, freeze it and say whom it was given to, as
# auditors do, who change nothing: none of this changes what is reviewed.
PAGED = {"limit": str.isdecimal, "after": str.isdecimal}


class PackIn(serializers.Serializer[Any]):
    """What is taken out (CS-12, NHI-0003, CMP-1, CAP-7), and whether with the deposits' bytes."""

    subject = serializers.CharField(max_length=40)
    deposits = serializers.BooleanField(default=False)


class TransferIn(serializers.Serializer[Any]):
    """Who got it, of which organisation, what for, on whose behalf, and the file's SHA-256."""

    to_name = serializers.CharField(max_length=handing.LONGEST)
    organisation = serializers.CharField(max_length=handing.LONGEST)
    purpose = serializers.CharField(max_length=handing.LONGEST_PURPOSE)
    on_behalf = serializers.CharField(
        max_length=handing.LONGEST, required=False, default="", allow_blank=True
    )
    digest = serializers.CharField(max_length=64)


class FreezeIn(serializers.Serializer[Any]):
    """What the events show; what chooses them (as the address of their list), or which they are."""

    title = serializers.CharField(max_length=selections.LONGEST_TITLE)
    asked = serializers.DictField(child=serializers.CharField(max_length=500), required=False)
    events = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, max_length=selected.MOST_NAMED
    )
    case = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)


@extend_schema(request=PackIn, responses=OpenApiTypes.OBJECT, tags=["packs"])
@door({"GET": "read", "POST": "read"}, asks={"subject": (), **PAGED})
def packs(request: Request) -> Response:
    """Packs that were taken out, the newest first; or ask for one, which the worker makes."""
    user, now = user_of(request), timezone.now()
    if request.method == "POST":
        subject = subjects.find(named(request, "subject"), user, now=now)
        if subject is None:
            raise Http404("nothing of this key")
        require(subjects.why_not_take(user, subject, now=now))
        said = checked(PackIn(data=request.data))
        row = ordering.ask(subject, by=user, now=now, with_deposits=said["deposits"])
        return Response(_pack(row), status=202)
    limit, after = page_of(request)
    rows = ordering.seen(user)
    if request.query_params.get("subject"):
        rows = rows.filter(subject=request.query_params["subject"])
    if after is not None:
        rows = rows.filter(number__lt=after)
    return Response([_pack(one) for one in rows.order_by("-number")[:limit]])


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["packs"])
@door({"GET": "read"})
def pack(request: Request, key: str) -> Response:
    """One pack, and how far it is."""
    return Response(_pack(pack_of(user_of(request), key)))


@extend_schema(responses=OpenApiTypes.BINARY, tags=["packs"])
@door({"POST": "read"})
def file(request: Request, key: str) -> HttpResponseBase:
    """The zip of a pack that is ready, for who asked for it."""
    user, now = user_of(request), timezone.now()
    row = pack_of(user, key)
    require(handing.why_not_fetch(user, row, now=now))
    try:
        opened = ordering.path_of(row).open("rb")
    except FileNotFoundError:
        raise Http404("its file is gone: ask for it again") from None
    response = FileResponse(opened, as_attachment=True, filename=f"countersign-{row.subject}.zip")
    by = readers.reader(user, now)
    seen = [("export", f"{row.key} of {row.subject}")]
    looked.note(response, seen, by=by, now=now, case=row.sealed_case)
    return response


@extend_schema(request=TransferIn, responses=OpenApiTypes.OBJECT, tags=["packs"])
@door({"POST": "read"})
def transfers(request: Request, key: str) -> Response:
    """Write down whom it was given to."""
    user = user_of(request)
    row = pack_of(user, key)
    require(handing.why_not_hand_over(user, row))
    handing.hand_over(row, by=user, now=timezone.now(), **checked(TransferIn(data=request.data)))
    return Response(_pack(row))


@extend_schema(request=FreezeIn, responses=OpenApiTypes.OBJECT, tags=["packs"])
@door({"GET": "read", "POST": "read"}, asks=PAGED)
def capsules(request: Request) -> Response:
    """Events that were frozen by hand and are of no case; or freeze some."""
    user = user_of(request)
    if request.method == "POST":
        return Response(_freeze(request, user), status=201)
    limit, after = page_of(request)
    rows = selections.seen(user)
    if after is not None:
        rows = rows.filter(number__lt=after)
    return Response(
        [
            {
                "capsule": one.key,
                "number": one.number,
                "title": one.body["query"].get("title", ""),
                "events": len(one.body["events"]),
                "made_at": one.made_at,
                "digest": bytes(one.digest).hex(),
            }
            for one in rows.order_by("-number")[:limit]
        ]
    )


def _freeze(request: Request, user: User) -> dict[str, Any]:
    now = timezone.now()
    require(selections.why_not_freeze(user))
    said = checked(FreezeIn(data=request.data))
    by = readers.reader(user, now)
    case = None
    if said["case"]:
        number = said["case"].removeprefix("CS-")
        rows = visible.cases(user, now=now)
        case = rows.filter(number=number).first() if number.isdecimal() else None
        if case is None:
            raise Http404("no case of this key")
    asked = said.get("asked") or {}
    refs = said.get("events") or []
    events = selected.named(refs, by) if refs else selected.keys(asked, user, by, now=now)
    made = selections.freeze(
        events=events,
        title=said["title"],
        query=asked or {"named": str(len(events))},
        window=selected.window(asked),
        by=user,
        reader=by,
        now=now,
        case=case,
    )
    return capsule_data.as_data(made)


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["packs"])
@door({"GET": "read"})
def capsule(request: Request, key: str) -> Response:
    """One capsule that somebody froze by hand, as it is sealed."""
    user, now = user_of(request), timezone.now()
    found: Capsule = selection_of(user, key)
    response = Response(capsule_data.as_data(found))
    looked.note(response, [("capsule", found.key)], by=readers.reader(user, now), now=now)
    return response


def _pack(row: Pack) -> dict[str, Any]:
    far = ordering.progress(row) if row.state == "asked" else None
    return {
        "pack": row.key,
        "number": row.number,
        "subject": row.subject,
        "by": row.by_name,
        "asked_at": row.asked_at,
        "state": row.state,
        "why": row.why,
        "written": None if far is None else {"cases": far[0], "of": far[1]},
        "made_at": row.made_at,
        "size": row.size,
        "sha256": None if row.digest is None else bytes(row.digest).hex(),
        "manifest_sha256": None
        if row.manifest_digest is None
        else bytes(row.manifest_digest).hex(),
        "signed": row.signed,
        "with_deposits": row.with_deposits,
        "kept_until": row.kept_until,
        "transfers": [
            {
                "at": one.at,
                "by": one.by_name,
                "to": one.to_name,
                "organisation": one.organisation,
                "on_behalf": one.on_behalf,
                "purpose": one.purpose,
                "sha256": bytes(one.digest).hex(),
            }
            for one in row.transfers.order_by("pk")
        ],
    }
