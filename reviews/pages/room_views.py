"""Pages and forms of incidents and their rooms: each translates one request to one call."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page, wants_part
from evidence import looked
from evidence.permissions import Reader
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews.confirmed import permitted_first
from reviews.incidents import closing, forms, freezing, questions, rights, rooms, tasks
from reviews.models import Case, Question, Room, Task
from reviews.pages import room, room_acts, room_opening, room_question
from reviews.views import asked_of, case_of, user_of

type View = Callable[..., HttpResponse]


def room_of(request: HttpRequest, key: str) -> Case:
    """An incident with a room that this user may see; anything else is absent."""
    case = case_of(request, key)
    get_object_or_404(Room, case=case)
    return case


@require_GET
@login_required
def room_page(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    if case.door == "incident" and not Room.objects.filter(case=case).exists():
        return redirect("case_page", key=case.key)  # one that was over before there were rooms
    case, asked = room_of(request, key), asked_of(request)
    if asked.get("part") == "live" and wants_part(request):
        context = room.live(case, user, now=now) | {"swapped": True}
        return page(request, "room.html", context, part="room_live")
    if asked.get("part") in room.PARTS and wants_part(request):
        name = asked["part"]
        return page(
            request,
            "room.html",
            room.part(name, case, user, asked, now=now),
            part=f"room_{name}",
        )
    response = page(request, "room.html", room.context(case, user, asked, now=now))
    by = Reader(user.ref, user.called)
    looked.note(response, [("case", case.key)], by=by, now=now, case=case.pk)
    return response


@require_GET
@login_required
def question_page(request: HttpRequest, key: str, number: int) -> HttpResponse:
    case = room_of(request, key)
    return _question(request, case, number, {}, status=200)


def _question(
    request: HttpRequest, case: Case, number: int, more: dict[str, Any], *, status: int
) -> HttpResponse:
    row = get_object_or_404(Question, room=case.pk, number=number)
    context = room_question.context(
        case, row, user_of(request), asked_of(request), now=timezone.now()
    )
    return page(request, "room_question.html", context | more, status=status)


@require_GET
@login_required
def my_tasks(request: HttpRequest) -> HttpResponse:
    return page(
        request, "room_tasks.html", room_acts.my_tasks(user_of(request), now=timezone.now())
    )


@require_GET
@login_required
def task_page(request: HttpRequest, key: str, number: int) -> HttpResponse:
    case = room_of(request, key)
    row = get_object_or_404(
        Task.objects.select_related("owner__person", "owner__team"), room=case.pk, number=number
    )
    context = room_question.task(case, row, user_of(request), now=timezone.now())
    return page(request, "room_task.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def conclude(request: HttpRequest, key: str) -> HttpResponse:
    """What is typed stays on the page where it is refused."""
    case, user, now = room_of(request, key), user_of(request), timezone.now()
    if request.method == "GET":
        return redirect("room_page", key=key)
    form = forms.ConcludeForm(request.POST)
    if not form.is_valid():
        problem = _wrong(form)
    else:
        try:
            row = questions.conclude(case=case, **form.given(), by=user, now=now)
        except NotPossible as refused:
            problem = str(refused)
        else:
            asked = form.cleaned_data["certainty"]
            weaker = row.certainty != asked
            why = " It rests on an inferred link, so it is a hypothesis." if weaker else ""
            messages.success(request, f"Concluded on question {row.question.number}.{why}")
            return redirect(f"{room.path_of(case)}#questions")
    typed = {name: str(value)[:4_000] for name, value in request.POST.items()}
    ticked = [str(one)[:60] for one in request.POST.getlist("ticked")[:100]]
    number = form.cleaned_data.get("number") or 0
    more = {"problem": problem, "typed": typed, "ticked": ticked}
    return _question(request, case, number, more, status=400)


def _wrong(form: django_forms.Form) -> str:
    wrong = (f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
    return "; ".join(wrong)[:600]


def _act(
    does: Callable[..., Any],
    form: type[django_forms.Form],
    said: Callable[[Case, Any], str],
    *,
    to: str = "",
    why_not: Callable[..., str | None] | None = None,
) -> View:
    """One act in a room, which it leads back to, at `to`. With `why_not` it is permitted first and
    asks who one is afterwards."""

    def done(request: HttpRequest, key: str) -> HttpResponse:
        case = room_of(request, key)
        filled = form(request.POST)
        if not filled.is_valid():
            raise NotPossible(_wrong(filled))
        given = filled.given() if hasattr(filled, "given") else filled.cleaned_data
        made = does(case=case, **given, by=user_of(request), now=timezone.now())
        messages.success(request, said(case, made))
        return redirect(f"{room.path_of(case)}{to}")

    if why_not is not None:
        done = permitted_first(
            lambda request, key: why_not(
                user_of(request), room_of(request, key), now=timezone.now()
            )
        )(done)

    @require_http_methods(["GET", "POST"])
    @login_required
    def view(request: HttpRequest, key: str) -> HttpResponse:
        # A form that got lost on the way through re-authentication leads back to its room.
        return redirect("room_page", key=key) if request.method == "GET" else done(request, key)

    return view


ACTS: dict[str, View] = {
    "severity": _act(
        rooms.set_severity, forms.SeverityForm, lambda case, row: f"{case.key} is {row.severity}."
    ),
    "role": _act(
        rooms.name_role,
        forms.RoleForm,
        lambda _, row: f"{row.person.name} is {row.role} now.",
        to="#roles",
    ),
    "hand-over": _act(
        rooms.hand_over, forms.HandOverForm, lambda _, row: f"{row.to.name} leads now.", to="#roles"
    ),
    "outcome": _act(
        rooms.write_outcome,
        forms.StatementForm,
        lambda *_: "The outcome is written.",
        to="#closing",
    ),
    "lessons": _act(
        rooms.note_lessons, forms.StatementForm, lambda *_: "The lessons are noted.", to="#closing"
    ),
    "ask": _act(
        questions.ask,
        forms.WordsForm,
        lambda _, row: f"Question {row.number} is asked.",
        to="#questions",
    ),
    "drop": _act(
        questions.drop,
        forms.DropForm,
        lambda _, row: f"Question {row.number} is dropped.",
        to="#questions",
    ),
    "take-up": _act(
        questions.take_up,
        forms.NumberForm,
        lambda _, row: f"Question {row.number} is asked again.",
        to="#questions",
    ),
    "task": _act(
        tasks.add,
        forms.TaskForm,
        lambda _, row: f"{row.key} is given to {row.owner}.",
        to="#tasks",
    ),
    "end-task": _act(
        tasks.end, forms.EndTaskForm, lambda _, row: f"{row.key} is {row.state}.", to="#tasks"
    ),
    "freeze": _act(
        freezing.freeze, forms.NothingForm, lambda _, row: f"Frozen as {row.key}.", to="#gate"
    ),
    "review": _act(
        closing.open_review, forms.NothingForm, lambda _, row: f"{row.key} is open.", to="#gate"
    ),
    "look-back": _act(
        closing.put_before,
        forms.NothingForm,
        lambda case, _: f"{case.key} is before its closer.",
        to="#gate",
    ),
    "send-back": _act(
        closing.send_back, forms.ReasonForm, lambda case, _: f"{case.key} is sent back."
    ),
    "close": _act(
        closing.close,
        forms.CloseForm,
        lambda case, _: f"{case.key} is closed.",
        why_not=rights.why_not_close,
    ),
}


@require_http_methods(["GET", "POST"])
@login_required
def incident_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    if request.method == "GET":
        context = room_opening.form(user, asked_of(request), now=now)
        form = forms.OpenForm(initial=context["initial"])
        return page(request, "incident_new.html", context | {"form": form})
    form, problem = forms.OpenForm(request.POST), ""
    if form.is_valid():
        try:
            case, new = _open(form, user, now=now)
        except (NotAllowed, NotPossible) as refused:
            problem = str(refused)
        else:
            said = "is open" if new else "was open already: this joined it"
            messages.success(request, f"{case.key} {said}.")
            return redirect("room_page", key=case.key)
    asked = {name: str(form.data.get(name, ""))[:500] for name in ("identity",)}
    context = room_opening.form(user, asked, now=now) | {"form": form, "problem": problem}
    return page(request, "incident_new.html", context, status=400)


def _open(form: forms.OpenForm, user: User, *, now: datetime) -> tuple[Case, bool]:
    said = form.cleaned_data
    identity = room_opening.identity_called(said["identity"], user, now=now)
    if identity is None:
        raise NotPossible(f"There is no identity called {said['identity'][:100]!r}.")
    return room_opening.open_for(
        identity,
        user,
        title=said["title"],
        reason=said["reason"],
        severity=said["severity"],
        detected_at=said["detected_at"],
        numbers=form.numbers(),
        now=now,
    )
