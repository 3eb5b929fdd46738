"""Pages and forms of campaigns: each translates one request to one call."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from identities.permissions import NotAllowed, NotPossible, require
from reviews.campaign_forms import CampaignForm, ExtendForm
from reviews.campaigns import letting_out, rows, steering
from reviews.campaigns.acts import ACTS
from reviews.models import Campaign, ReviewPolicy
from reviews.pages import campaign_rows, campaigns, queue_out
from reviews.views import asked_of, user_of


def campaign_of(request: HttpRequest, key: str) -> Campaign:
    """A campaign, for who may see campaigns."""
    require(rows.why_not_see(user_of(request)))
    found = rows.by_key(key)
    if found is None:
        raise Http404("no campaign of this key")
    return found


def back_to(campaign: Campaign) -> HttpResponse:
    return redirect("campaign_page", key=campaign.key)


@require_GET
@login_required
def campaign_list(request: HttpRequest) -> HttpResponse:
    context = campaigns.listed(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "campaigns.html", context, part="campaign_rows")


@require_http_methods(["GET", "POST"])
@login_required
def campaign_new(request: HttpRequest) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    require(rows.why_not_see(user))
    policies = campaigns.policies(now=now)
    if request.method == "GET":
        context = campaigns.prepared(user) | {"form": CampaignForm(policies=policies)}
        return page(request, "campaign_new.html", context)
    form = CampaignForm(request.POST, policies=policies)
    if form.is_valid():
        said = form.cleaned_data
        try:
            made = steering.make(
                name=said["name"],
                policy=get_object_or_404(ReviewPolicy, pk=UUID(said["policy"])),
                scope=form.scope(),
                deadline_at=said["deadline_at"],
                applies=said["applies"] or "at_once",
                planted=int(said["planted"] or 0),
                by=user,
                now=now,
                reason=said["reason"],
            )
        except (NotAllowed, NotPossible) as problem:
            form.add_error(None, str(problem))
        else:
            return back_to(made)
    context = campaigns.prepared(user) | {"form": form}
    return page(request, "campaign_new.html", context, status=400)


@require_GET
@login_required
def campaign_page(request: HttpRequest, key: str) -> HttpResponse:
    campaign = campaign_of(request, key)
    context = campaigns.shown(campaign, user_of(request), asked_of(request), now=timezone.now())
    context["outcomes_held"] = letting_out.sentence(campaign)
    answer = page(request, "campaign.html", context, part="campaign_progress")
    if request.GET.get("working") and context["step"] is None:
        # The worker is through: what can be done now is shown outside of the part.
        answer["HX-Refresh"] = "true"
    return answer


@require_GET
@login_required
def campaign_list_of(request: HttpRequest, key: str, what: str) -> HttpResponse:
    """The rows under its numbers."""
    one, asked = campaign_of(request, key), asked_of(request)
    context = campaign_rows.listed(one, what, user_of(request), asked, now=timezone.now())
    return page(request, "campaign_rows.html", context, part="campaign_rows")


@require_GET
@login_required
def campaign_out(request: HttpRequest, key: str, what: str, shape: str) -> HttpResponseBase:
    """The same rows, all of them, as a file."""
    one, asked = campaign_of(request, key), asked_of(request)
    rows = campaign_rows.taken_out(one, what, user_of(request), asked, now=timezone.now())
    return queue_out.answer(rows, f"{one.key}-{what}", shape, campaign_rows.columns(one, what))


@require_POST
@login_required
def campaign_act(request: HttpRequest, key: str, step: str) -> HttpResponse:
    """One of reviews/campaigns/acts.py, named by the address."""
    campaign, act, now = campaign_of(request, key), ACTS[step], timezone.now()
    require(act.why_not(user_of(request), campaign))
    said: dict[str, Any] = {"reason": request.POST.get("reason", "")}
    if act.moment:
        form = ExtendForm(request.POST)
        if not form.is_valid():
            raise NotPossible("Say until when, and why in at most 2,000 characters.")
        said["to"] = form.until()
    found = act.does(campaign=campaign, by=user_of(request), now=now, **said)
    messages.success(request, act.said(campaign, found, now))
    return back_to(campaign)
