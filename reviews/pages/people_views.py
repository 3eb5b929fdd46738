"""Requests about people: who is here, who has left or moved. Each is one call."""

from datetime import UTC, datetime, time
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from identities.models import Person, Team
from identities.permissions import NotAllowed, NotPossible
from identities.reasons import LONGEST_REASON
from reviews import owner_permissions
from reviews.confirmed import permitted_first
from reviews.owner_forms import Day
from reviews.pages import people
from reviews.views import asked_of, user_of

SAID = {"left": "has left", "here": "is here", "moved": "has moved"}


class WhereForm(forms.Form):
    """They left, are here after all, or moved to another team."""

    state = forms.ChoiceField(
        label="What happened",
        choices=[
            ("left", "They leave, or have left"),
            ("moved", "They move to another team, or to none"),
            ("here", "They are here: it was a mistake, or they are back"),
        ],
    )
    on = forms.DateField(
        label="On, UTC",
        widget=Day,
        required=False,
        help_text="From the beginning of this day; left out, from now on.",
    )
    team = forms.CharField(
        max_length=200,
        required=False,
        help_text="Where they move to, by its name. Teams they were in before are left.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Who said so, or where it stands. It is in the ledger.",
    )

    def clean_team(self) -> str:
        """The name of a team that there is."""
        said = str(self.cleaned_data["team"]).strip()
        if said and not Team.objects.filter(name=said).exists():
            raise forms.ValidationError("No team is called this.")
        return said


@require_GET
@login_required
def people_list(request: HttpRequest) -> HttpResponse:
    context = people.listed(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "people.html", context, status=403 if context["why_not"] else 200)


def _why_not_say(request: HttpRequest, pk: UUID) -> str | None:
    user, now = user_of(request), timezone.now()
    why = owner_permissions.why_not_see_successions(user)
    if why is not None or not _says_gone(request):
        return why
    person = get_object_or_404(Person, pk=pk)
    return owner_permissions.why_not_say_gone(user, person, now=now)


def _says_gone(request: HttpRequest) -> bool:
    return request.method == "POST" and request.POST.get("state") in ("left", "moved")


@require_http_methods(["GET", "POST"])
@login_required
@permitted_first(_why_not_say)
def person_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One person with what follows if they leave; POST says that they left, are here or moved."""
    user, now = user_of(request), timezone.now()
    person = get_object_or_404(Person.objects.select_related("manager"), pk=pk)
    form = WhereForm(request.POST or None)
    problem, status = "", 200
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        on = said["on"]
        at = now if on is None else datetime.combine(on, time.min, tzinfo=UTC)
        try:
            waits = people.say(
                person,
                state=said["state"],
                at=at,
                team=said["team"],
                reason=said["reason"],
                dry_run=False,
                by=user,
                now=now,
            )
        except (NotAllowed, NotPossible) as refused:
            problem, status = str(refused), 403 if isinstance(refused, NotAllowed) else 409
        else:
            what = f"{person.name} {SAID[said['state']]}: "
            if waits is None and said["state"] == "moved":
                messages.success(request, f"{what}what follows is under way.")
            elif waits is None:
                messages.info(request, f"{what}that is known already.")
            else:
                messages.info(request, f"{what}a second person signs {waits} first.")
            return redirect("person_page", pk=pk)
    elif request.method == "POST":
        status = 400
    context = people.one(person, user, now=now) | {"form": form, "problem": problem}
    return page(request, "person.html", context, status=status)
