"""Identities that follow their service in criticality: a preview, and one act that is recorded."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from config.page import page
from evidence.words import counted
from identities.actions import inheriting
from identities.models import Service
from identities.permissions import NotAllowed, NotPossible
from identities.visible import sees_all
from reviews.views import user_of

SHOWN = 500


@require_http_methods(["GET", "POST"])
@login_required
def criticality(request: HttpRequest, slug: str) -> HttpResponse:
    """Which identities of a service do not follow it, what would change, and who stays."""
    user, now = user_of(request), timezone.now()
    services = Service.objects.all() if sees_all(user) else Service.objects.none()
    service = get_object_or_404(services, slug=slug)
    problem, status = "", 200
    if request.method == "POST":
        try:
            done = inheriting.follow(
                service=service,
                stay=request.POST.getlist("stay")[: inheriting.MOST],
                reason=request.POST.get("reason", ""),
                by=user,
                now=now,
            )
        except (NotAllowed, NotPossible) as refused:
            problem, status = str(refused), 403 if isinstance(refused, NotAllowed) else 409
        else:
            many = counted(len(done), "identity follows", "identities follow")
            messages.success(request, f"{many} {service.name} in criticality from now on.")
            return redirect("service_criticality", slug=slug)
    would = inheriting.preview(service)
    context = {
        "section": "identities",
        "title": f"Criticality of what serves {service.name}",
        "service": service,
        "words": inheriting.in_words(would),
        "why_not": inheriting.why_not_follow(user, now=now) or "",
        "rows": [
            {
                "key": one.identity.key,
                "name": one.identity.name,
                "url": f"/identities/{one.identity.key}/",
                "was": one.was,
                "to": one.to,
                "stays": one.stays,
            }
            for one in would[:SHOWN]
        ],
        "more": max(0, len(would) - SHOWN),
        "action_url": f"/services/{service.slug}/criticality/",
        "problem": problem,
    }
    return page(request, "criticality.html", context, status=status)
