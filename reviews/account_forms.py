"""What people send in about break-glass accounts: coming in, making one, looking back. Saves nothing."""

from django import forms

from identities.models.people import GROUPS
from reviews.accounts.entering import LONGEST, LONGEST_WHO, SHORTEST_WHY
from reviews.models.accounts import USE_REVIEWS


class EnterForm(forms.Form):
    """Signing in with a sealed code (templates/account_enter.html)."""

    account = forms.CharField(
        label="Break-glass account",
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    code = forms.CharField(
        label="Sealed code",
        help_text="Any of its codes that is not crossed out: each works once.",
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    who = forms.CharField(label="Who you are", max_length=LONGEST_WHO)
    why = forms.CharField(
        label="Why you need to come in",
        help_text="Everybody who may act is told at once, with these words.",
        min_length=SHORTEST_WHY,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class MakeForm(forms.Form):
    """A new account (templates/account_new.html)."""

    username = forms.CharField(
        label="Name to sign in with", max_length=150, initial="break-glass-1"
    )
    roles = forms.MultipleChoiceField(
        label="What it may do",
        choices=[(one, one) for one in GROUPS if one != "auditor"],
        initial=["administrator", "responder"],
        widget=forms.CheckboxSelectMultiple,
    )
    kept = forms.CharField(
        label="Where its codes will lie",
        help_text="A safe, a sealed envelope, and who can open it.",
        max_length=500,
    )
    second_of = forms.CharField(
        label="Login of the person whose it is",
        required=False,
        help_text="Without one it is nobody's, and signs nothing that needs a person.",
        max_length=150,
    )


class LookForm(forms.Form):
    """What a use was (templates/accounts.html)."""

    kind = forms.ChoiceField(label="It was", choices=[(one, one) for one in USE_REVIEWS])
    words = forms.CharField(label="Whether it matched its reason", max_length=2_000)
