"""Pages and forms of campaigns: each translates one request to one call."""

import re
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from evidence.words import counted
from identities.permissions import NotAllowed, NotPossible, require
from reviews.campaign_forms import CampaignForm, ExtendForm
from reviews.campaigns import launching, rows, steering
from reviews.models import Campaign, ReviewPolicy
from reviews.pages import campaigns
from reviews.views import asked_of, user_of


def campaign_of(request: HttpRequest, key: str) -> Campaign:
    """A campaign, for who may see campaigns."""
    require(rows.why_not_see(user_of(request)))
    found = re.fullmatch(r"CMP-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no campaign of this key")
    return get_object_or_404(Campaign.objects.select_related("policy"), number=int(found.group(1)))


def back_to(campaign: Campaign) -> HttpResponse:
    return redirect("campaign_page", key=campaign.key)


@require_GET
@login_required
def campaign_list(request: HttpRequest) -> HttpResponse:
    context = campaigns.listed(user_of(request), asked_of(request))
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
    return page(request, "campaign.html", context, part="campaign_progress")


@require_POST
@login_required
def campaign_launch(request: HttpRequest, key: str) -> HttpResponse:
    campaign = launching.launch(
        campaign=campaign_of(request, key),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{campaign.name} is being launched. Nobody is asked twice.")
    return back_to(campaign)


@require_POST
@login_required
def campaign_pause(request: HttpRequest, key: str) -> HttpResponse:
    campaign = steering.pause(
        campaign=campaign_of(request, key),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{campaign.name} stands still: no reminder, no deadline.")
    return back_to(campaign)


@require_POST
@login_required
def campaign_resume(request: HttpRequest, key: str) -> HttpResponse:
    campaign = steering.resume(
        campaign=campaign_of(request, key),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{campaign.name} goes on, as much later as it stood still.")
    return back_to(campaign)


@require_POST
@login_required
def campaign_extend(request: HttpRequest, key: str) -> HttpResponse:
    campaign, form = campaign_of(request, key), ExtendForm(request.POST)
    if not form.is_valid():
        raise NotPossible("Say until when, and why in at most 2,000 characters.")
    campaign = steering.extend(
        campaign=campaign,
        to=form.until(),
        by=user_of(request),
        now=timezone.now(),
        reason=form.cleaned_data["reason"],
    )
    messages.success(request, f"{campaign.name} has more time.")
    return back_to(campaign)


@require_POST
@login_required
def campaign_reiterate(request: HttpRequest, key: str) -> HttpResponse:
    campaign = campaign_of(request, key)
    told = steering.reiterate(
        campaign=campaign,
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{counted(told, 'person is', 'people are')} asked again.")
    return back_to(campaign)


@require_POST
@login_required
def campaign_close(request: HttpRequest, key: str) -> HttpResponse:
    campaign = campaign_of(request, key)
    left = steering.close(
        campaign=campaign,
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(
        request,
        f"{campaign.name} is closed: {left.decided:,} of {counted(left.items, 'item')} decided,"
        f" {counted(left.open_cases, 'review')} still open.",
    )
    return back_to(campaign)
