"""Pages on which one signature acts on many targets: each translates one request to one call."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from identities.actions import batches as actions
from identities.actions import revocations
from identities.actions.batches import naming
from identities.api.batches import batch_of
from identities.permissions import NotAllowed, NotPossible, require
from reviews.confirmed import permitted_first
from reviews.pages import batches, queue_out
from reviews.pages.views import _identity as identity_of
from reviews.views import asked_of, user_of

LONGEST = 600_000
LARGEST = 1 << 20


@require_GET
@login_required
def cascade(request: HttpRequest, key: str) -> HttpResponse:
    context = batches.cascade(
        identity_of(request, key),
        request.GET.get("step", ""),
        user_of(request),
        by_hand=request.GET.get("by_hand") == "1",
        now=timezone.now(),
    )
    return page(request, "cascade.html", context)


@require_POST
@login_required
@permitted_first(
    lambda request, key: revocations.why_not(
        identity_of(request, key),
        request.POST.get("step", ""),
        user_of(request),
        now=timezone.now(),
    )
)
def cascade_sign(request: HttpRequest, key: str) -> HttpResponse:
    made = actions.cascade(
        root=identity_of(request, key),
        step=request.POST.get("step", ""),
        because=request.POST.get("reason", ""),
        request_key=request.POST.get("request_key", ""),
        by_hand=request.POST.get("by_hand") == "1",
        by=user_of(request),
        now=timezone.now(),
    )
    messages.success(request, f"{made.key} is signed: each row below is looked at for itself.")
    return redirect("batch_page", key=made.key)


@require_http_methods(["GET", "POST"])
@login_required
def batch_new(request: HttpRequest) -> HttpResponse:
    """The form; sent, what the step would do to each name. Nothing is saved."""
    now, user = timezone.now(), user_of(request)
    require(actions.why_not_ask_many(user, now=now))
    said = _said(request)
    plan, problem = None, ""
    from_ = request.POST.get("from", "")
    if from_:
        # From a list: what was chosen there is named here, and the step is chosen next.
        picked = [one[: naming.LONGEST] for one in request.POST.getlist("pick")]
        try:
            asked = request.POST.get("asked", "")
            said["names"] = "\n".join(batches.chosen(from_, picked, asked, user, now=now))
        except NotPossible as refused:
            problem = str(refused)
    elif request.method == "POST":
        try:
            names = naming.lines_of(said["names"])
            hand = said["by_hand"] == "1"
            plan = actions.plan_named(
                names=names, step=said["step"], by=user, now=now, by_hand=hand
            )
        except (NotAllowed, NotPossible) as refused:
            problem = str(refused)
    context = batches.asking(said, plan, problem, now=now)
    return page(request, "batch_new.html", context, status=409 if problem else 200)


def _said(request: HttpRequest) -> dict[str, str]:
    """What the form says; names of a file behind those that are written."""
    said = {name: request.POST.get(name, "") for name in ("names", "step", "reason", "by_hand")}
    sent = request.FILES.get("file")
    if sent is not None and (sent.size or 0) <= LARGEST:
        said["names"] += "\n" + sent.read(LARGEST).decode("utf-8", "replace")
    return {name: text[:LONGEST].replace("\0", "") for name, text in said.items()}


@require_POST
@login_required
@permitted_first(lambda request: actions.why_not_ask_many(user_of(request), now=timezone.now()))
def batch_sign(request: HttpRequest) -> HttpResponse:
    said: dict[str, Any] = _said(request)
    made = actions.named(
        names=naming.lines_of(said["names"]),
        step=said["step"],
        because=said["reason"],
        request_key=request.POST.get("request_key", ""),
        by_hand=request.POST.get("by_hand") == "1",
        by=user_of(request),
        now=timezone.now(),
    )
    messages.success(request, f"{made.key} is signed: each row below is looked at for itself.")
    return redirect("batch_page", key=made.key)


@require_GET
@login_required
def batch_list(request: HttpRequest) -> HttpResponse:
    context = batches.index(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "batches.html", context, part="batch_rows")


@require_GET
@login_required
def batch_page(request: HttpRequest, key: str) -> HttpResponse:
    batch = batch_of(user_of(request), key)
    return page(request, "batch.html", batches.result(batch, now=timezone.now()))


@require_GET
@login_required
def batch_out(request: HttpRequest, key: str) -> HttpResponseBase:
    batch = batch_of(user_of(request), key)
    return queue_out.answer(batches.out(batch), batch.key, "csv", batches.COLUMNS)
