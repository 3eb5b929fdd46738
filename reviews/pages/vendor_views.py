"""What is stated of an external integration: each request is one call."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from config.page import page
from identities import as_read
from identities.actions import vendors
from identities.models import Identity, User
from identities.permissions import NotAllowed, NotPossible
from reviews.owner_forms import VendorAttestedForm, VendorForm, last_of
from reviews.pages import vendor
from reviews.views import identity_of, user_of


@require_http_methods(["GET", "POST"])
@login_required
def identity_vendor(request: HttpRequest, key: str) -> HttpResponse:
    """State it anew, or record what the vendor has attested: two forms, each with its button."""
    identity, user, now = identity_of(request, key), user_of(request), timezone.now()
    if identity is None or identity.kind != "integration":
        raise Http404("no integration of this key")
    which = request.POST.get("form", "")
    stated = VendorForm(request.POST if which == "stated" else None, initial=_initial(identity))
    attested = VendorAttestedForm(request.POST if which == "attested" else None)
    problem, status = "", 200
    form = {"stated": stated, "attested": attested}.get(which)
    if form is not None and form.is_valid():
        try:
            _act(identity, form.cleaned_data | _read(request, which), which, user, now=now)
        except (NotAllowed, NotPossible) as refused:
            problem, status = str(refused), 403 if isinstance(refused, NotAllowed) else 409
        else:
            messages.success(request, f"Recorded for {identity.name}.")
            return redirect("identity_vendor", key=key)
    elif form is not None:
        status = 400
    context = vendor.context(identity, user, now=now)
    context |= {"stated": stated, "attested": attested, "problem": problem}
    context["read"] = as_read.mark(vendors.stands(identity))
    return page(request, "vendor.html", context, status=status)


def _read(request: HttpRequest, which: str) -> dict[str, str]:
    return {"read": request.POST.get("read", "")} if which == "stated" else {}


def _initial(identity: Identity) -> dict[str, Any]:
    ends = identity.contract_ends_at
    return {
        "evidence_boundary": identity.evidence_boundary,
        "vendor_contact": identity.vendor_contact,
        "contract_ends": None if ends is None else ends.date(),
        "data_leaving": identity.data_leaving,
    }


def _act(
    identity: Identity, said: dict[str, Any], which: str, user: User, *, now: datetime
) -> None:
    if which == "attested":
        vendors.attested(identity=identity, by=user, now=now, **said)
        return
    ends = said["contract_ends"]
    stated = vendors.Stated(
        evidence_boundary=said["evidence_boundary"],
        vendor_contact=said["vendor_contact"],
        contract_ends_at=None if ends is None else last_of(ends),
        data_leaving=said["data_leaving"],
    )
    read = said["read"]
    vendors.describe(identity=identity, said=stated, by=user, now=now, read=read)
