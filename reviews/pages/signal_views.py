"""Pages and forms of shared signals: each translates one request to one call."""

from functools import partial
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from identities.models import SignalReceiver, SignalStream
from identities.permissions import NotAllowed, NotPossible
from identities.signals import streams
from reviews.pages import signals
from reviews.pages.signed_views import act
from reviews.views import user_of


class ReceiverForm(forms.Form):
    """Who is told, as whom, and about what (templates/signal_receiver.html)."""

    name = forms.CharField(label="Name", max_length=200)
    login = forms.CharField(
        label="Login",
        max_length=150,
        help_text="Its tokens of the scope signals manage the streams: manage.py token create.",
    )
    audience = forms.CharField(
        label="Audience", max_length=1_000, help_text="What the receiver expects as aud."
    )
    default_subjects = forms.ChoiceField(
        label="A stream begins with", choices=list(signals.SUBJECT_WORDS.items())
    )
    named_by = forms.ChoiceField(
        label="Identities are named by", choices=list(signals.NAMED_WORDS.items())
    )


def stream_of(stream: str) -> SignalStream:
    try:
        key = UUID(stream)
    except ValueError:
        raise Http404("no stream of this id") from None
    rows = SignalStream.objects.filter(deleted_at=None, receiver__ended_at=None)
    return get_object_or_404(rows.select_related("receiver"), pk=key)


def receiver_of(receiver: str) -> SignalReceiver:
    try:
        key = UUID(receiver)
    except ValueError:
        raise Http404("no receiver of this id") from None
    return get_object_or_404(SignalReceiver, pk=key, ended_at=None)


@require_GET
@login_required
def signal_list(request: HttpRequest) -> HttpResponse:
    return page(request, "signals.html", signals.overview(user_of(request), now=timezone.now()))


@require_GET
@login_required
def signal_stream(request: HttpRequest, stream: str) -> HttpResponse:
    context = signals.shown(stream_of(stream), user_of(request), now=timezone.now())
    return page(request, "signal_stream.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def signal_receiver(request: HttpRequest) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    context = signals.registering(user, now=now)
    if request.method == "GET":
        return page(request, "signal_receiver.html", context | {"form": ReceiverForm()})
    form, problem = ReceiverForm(request.POST), ""
    if form.is_valid():
        said = dict(form.cleaned_data)
        try:
            login = streams.login_called(said.pop("login"))
            row = streams.register(user=login, by=user, now=now, **said)
        except (NotAllowed, NotPossible) as refused:
            problem = str(refused)
        else:
            messages.success(request, f"{row.name} may receive signals: give it a token.")
            return redirect(row.url)
    context |= {"form": form, "problem": problem}
    return page(request, "signal_receiver.html", context, status=400)


receiver_end = act("receiver", receiver_of, streams.end, "{} is told nothing more.", "reason")
stream_test = act("stream", stream_of, streams.test, "{}: a verification is on its way.")
stream_enabled, stream_paused, stream_disabled = (
    act(
        "stream",
        stream_of,
        partial(streams.change_status, status=status),
        f"{{}} is {status}.",
        "reason",
    )
    for status in ("enabled", "paused", "disabled")
)
stream_remove = act("stream", stream_of, streams.remove, "The stream of {} is removed.", "reason")
