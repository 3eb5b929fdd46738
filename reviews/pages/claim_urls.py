"""Addresses of the claim wave's pages, under /unclaimed/."""

from django.urls import path

from reviews.pages import claim_views

urlpatterns = [
    path("questions/", claim_views.question_list, name="claim_questions"),
    path("questions/<uuid:party>/", claim_views.question_page, name="claim_question"),
    path("answer/", claim_views.answer, name="claim_answer"),
    path("answers/<uuid:pk>/undo/", claim_views.undo, name="claim_undo"),
    path("rule/", claim_views.rule_page, name="claim_rule"),
    path("rule/sign/", claim_views.rule_sign, name="claim_rule_sign"),
    path("burn-down/", claim_views.burn_page, name="claim_burn_down"),
    path("burn-down.csv", claim_views.burn_out, {"shape": "csv"}, name="claim_burn_csv"),
    path("burn-down.json", claim_views.burn_out, {"shape": "json"}, name="claim_burn_json"),
    *(
        path(f"{what}/", claim_views.burn_rows, {"what": what}, name=f"claim_{what}")
        for what in claim_views.ROWS
    ),
    path("wave/start/", claim_views.wave_start, name="claim_wave_start"),
    path("wave/end/", claim_views.wave_end, name="claim_wave_end"),
    path("pass-on/", claim_views.pass_on, name="claim_pass_on"),
]
