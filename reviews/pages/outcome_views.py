"""What the brake holds of a campaign: each translates one request to one call."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence.words import counted
from reviews.campaigns import letting_out
from reviews.confirmed import permitted_first
from reviews.pages import outcomes as pages
from reviews.pages.campaign_views import campaign_of
from reviews.views import asked_of, user_of


@require_GET
@login_required
def outcomes(request: HttpRequest, key: str) -> HttpResponse:
    context = pages.context(
        campaign_of(request, key), user_of(request), asked_of(request), now=timezone.now()
    )
    return page(request, "outcomes.html", context)


@require_POST
@login_required
@permitted_first(
    lambda request, key: letting_out.why_not_let_out(
        user_of(request), campaign_of(request, key), now=timezone.now()
    )
)
def let_out(request: HttpRequest, key: str) -> HttpResponse:
    campaign = campaign_of(request, key)
    many = letting_out.let_out(
        campaign=campaign,
        reason=request.POST.get("reason", ""),
        by=user_of(request),
        now=timezone.now(),
        read=request.POST.get("read", ""),
    )
    messages.success(request, f"Released: {counted(many, 'case goes', 'cases go')} out.")
    return redirect("campaign_outcomes", key=campaign.key)
