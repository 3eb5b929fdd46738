"""Pages and forms of the claim wave: each translates one request to one call."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence.parameters import whole
from evidence.words import counted
from identities.claims import answering, asking, counting, rights, ruling
from identities.models import ClaimAnswer, Party
from identities.permissions import NotAllowed, NotPossible, require
from reviews.pages import claim_burn, claim_things, claim_wave, queue_out
from reviews.views import asked_of, user_of

ROWS = {
    "things": claim_things.things,
    "asked": claim_things.questions,
    "answered": claim_things.answers,
}


def _party(text: str) -> Party:
    try:
        rows = Party.objects.select_related("person", "team")
        return get_object_or_404(rows, pk=UUID(text))
    except ValueError:
        raise NotPossible("This form says nobody who is asked: open the question again.") from None


def _said(request: HttpRequest) -> dict[str, str]:
    return {name: str(value)[:2_100].replace("\0", "") for name, value in request.POST.items()}


def _recorded(request: HttpRequest, answer: ClaimAnswer) -> None:
    messages.success(
        request,
        f"Recorded for {counted(answer.asked, 'thing')}; it takes effect in 8 seconds.",
        extra_tags=f"undo:/unclaimed/answers/{answer.pk}/undo/",
    )


@require_GET
@login_required
def question_list(request: HttpRequest) -> HttpResponse:
    context = claim_wave.questions(user_of(request), now=timezone.now())
    return page(request, "unclaimed_questions.html", context)


@require_GET
@login_required
def question_page(request: HttpRequest, party: UUID) -> HttpResponse:
    user, now, asked = user_of(request), timezone.now(), _party(str(party))
    if rights.why_not_see_all(user) is not None:
        require(rights.why_not_answer(user, asked, now=now))
    about = asked_of(request).get("about", "")
    return page(
        request, "unclaimed_question.html", claim_wave.question(user, asked, about, now=now)
    )


@require_POST
@login_required
def answer(request: HttpRequest) -> HttpResponse:
    said, user, now = _said(request), user_of(request), timezone.now()
    party, about = _party(said.get("party", "")), said.get("about", "")
    seen = whole(said.get("seen", "")) or 0
    try:
        if said.get("answer") == "yes":
            out = {UUID(one) for one in request.POST.getlist("except") if len(one) == 36}
            row = answering.yes(
                party=party,
                bundle=about,
                by=user,
                now=now,
                except_for=out,
                with_service=bool(said.get("with_service")),
                reason=said.get("reason", ""),
                seen=seen,
            )
        else:
            row = answering.not_mine(
                party=party,
                bundle=about,
                by=user,
                now=now,
                reason=said.get("reason", ""),
                ask=said.get("ask", ""),
                seen=seen,
            )
    except (NotAllowed, NotPossible) as problem:
        messages.error(request, str(problem))
        return redirect(claim_wave.url_of(party.pk, about))
    _recorded(request, row)
    return redirect("claim_questions")


@require_POST
@login_required
def undo(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(ClaimAnswer, pk=pk)
    answering.undo(answer=row, by=user_of(request), now=timezone.now())
    messages.success(request, f"Taken back: {counted(row.asked, 'thing')} asked as before.")
    return redirect("claim_questions")


@require_GET
@login_required
def rule_page(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    require(rights.why_not_see_all(user))
    context = claim_wave.rule(user, asked_of(request), now=timezone.now())
    return page(request, "unclaimed_rule.html", context)


@require_POST
@login_required
def rule_sign(request: HttpRequest) -> HttpResponse:
    said = _said(request)
    row = ruling.confirm(
        rule=claim_wave.rule_of(said),
        digest=said.get("digest", ""),
        reason=said.get("reason", ""),
        by=user_of(request),
        now=timezone.now(),
    )
    _recorded(request, row)
    return redirect("claim_questions")


@require_GET
@login_required
def burn_page(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    require(rights.why_not_see_all(user))
    return page(request, "unclaimed_burn.html", claim_burn.burn_down(user, now=timezone.now()))


@require_GET
@login_required
def burn_rows(request: HttpRequest, what: str) -> HttpResponse:
    """The rows under its numbers."""
    user, now = user_of(request), timezone.now()
    require(rights.why_not_see_all(user))
    context = ROWS[what](user, asked_of(request), now=now)
    return page(request, f"unclaimed_{what}.html", context, part="thing_rows")


@require_GET
@login_required
def burn_out(request: HttpRequest, shape: str) -> HttpResponseBase:
    """The days as a file: csv or json."""
    require(rights.why_not_see_all(user_of(request)))
    rows = counting.as_data(counting.days(now=timezone.now()))
    if shape == "csv":
        return queue_out.answer(rows, "claim-days", "csv", counting.COLUMNS)
    return JsonResponse({"days": rows})


@require_POST
@login_required
def wave_start(request: HttpRequest) -> HttpResponse:
    said = _said(request)
    numbers = {name: whole(said.get(name, ""), longest=5) or 0 for name in asking.Terms._fields}
    asking.start(
        terms=asking.Terms(**numbers),
        reason=said.get("reason", ""),
        by=user_of(request),
        now=timezone.now(),
    )
    messages.success(request, "The wave has begun: where most yes is expected is asked first.")
    return redirect("claim_burn_down")


@require_POST
@login_required
def wave_end(request: HttpRequest) -> HttpResponse:
    asking.end(reason=_said(request).get("reason", ""), by=user_of(request), now=timezone.now())
    messages.success(request, "The wave has ended: nobody is asked anything new.")
    return redirect("claim_burn_down")


@require_POST
@login_required
def pass_on(request: HttpRequest) -> HttpResponse:
    said = _said(request)
    row = answering.pass_on(
        bundle=said.get("about", ""),
        ask=said.get("ask", ""),
        by=user_of(request),
        now=timezone.now(),
        reason=said.get("reason", ""),
    )
    _recorded(request, row)
    return redirect("claim_burn_down")
