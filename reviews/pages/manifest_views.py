"""The page of a release manifest."""

import re

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from config.page import page
from identities import visible
from identities.models import Manifest
from reviews.pages import manifests
from reviews.views import user_of


@require_GET
@login_required
def manifest_page(request: HttpRequest, key: str) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    number = re.fullmatch(r"MAN-0*(\d{1,15})", key)
    row = get_object_or_404(
        Manifest.objects.select_related("identity__service"),
        number=int(number.group(1)) if number else -1,
        identity__in=visible.identities(user, now=now),
    )
    return page(request, "manifest.html", manifests.context(row, user, now=now))
