"""Which endpoint of the API does the act of a page, where it is called something else; and which acts
have none, with the reason.

A page whose address has the name of one of the API (without `api_`) needs no line here. Held by
tests/road/test_endpoints.py.
"""

# By the name of the endpoint without `api_`: the pages that do the same.
SAME = {
    "activate": "identity_activate",
    "activate_many": "owned_activate",
    "attest": "identity_renew",
    "attest_many": "owned_renew",
    "automatic_release": "automatic_hold_release",
    "batches": "batch_new batch_sign",
    "bind": "link_new link_make",
    "break_glass": "break_glass_new",
    "break_glass_account_use": "break_glass_account_look_back",
    "campaigns": "campaign_new",
    "capsules": "events_freeze",
    "cascade": "cascade_sign",
    "claim_rule": "claim_rule_sign",
    "comment": "case_comment",
    "containment": "containment_new containment_sign containment_ask",
    "decide": "case_decide queue_keep",
    "dispose_finding": "finding_dispose",
    "case_undo": "queue_undo",
    "hand_over": "case_hand_over",
    "held_drop": "several_drop",
    "held_release": "several_release",
    "hold_rules": "hold_rule_new",
    "incidents": "incident_new",
    "incident_ask": "room_ask",
    "incident_close": "room_close",
    "incident_conclude": "room_conclude",
    "incident_drop": "room_drop",
    "incident_end_task": "room_end_task",
    "incident_freeze": "room_freeze",
    "incident_hand_over": "room_hand_over",
    "incident_lessons": "room_lessons",
    "incident_look_back": "room_look_back",
    "incident_outcome": "room_outcome",
    "incident_review": "room_review",
    "incident_role": "room_role",
    "incident_send_back": "room_send_back",
    "incident_severity": "room_severity",
    "incident_take_up": "room_take_up",
    "incident_task": "room_task",
    "left": "case_left",
    "mappings": "mapping_page",
    "name": "identity_places",
    "name_many": "places_of_leaver",
    "offer": "offer_accept offer_decline offer_withdraw",
    "pack_transfers": "pack_transfer",
    "packs": "pack_take case_pack population_take",
    "person": "person_page",
    "playbook_runs": "playbook_run_new playbook_run_sign",
    "playbooks": "playbook_new",
    "policies": "policy_new",
    "refuse_link": "link_refuse",
    "reject_binding": "unclaimed_reject",
    "request_access": "request_new",
    "restore": "case_restore",
    "resume": "identity_resume",
    "retire": "identity_retire",
    "revocations": "credential_hold credential_release",
    "sealed": "sealed_new",
    "second_look": "case_second_look",
    "sign_link": "link_sign",
    "signal_receivers": "signal_receiver",
    "signal_stream": "signal_disable signal_enable signal_pause signal_remove",
    "source": "inventory_pause source_connect source_declare source_filter source_pause source_retention",
    "sources": "source_new",
    "succession": "succession_accept succession_decline",
    "timeline": "timeline_mark",
    "vendor": "identity_vendor",
}
# Why there is no endpoint: the pages.
OWED = "is owed"
WITHOUT = {
    OWED: "break_glass_account_end break_glass_account_new break_glass_account_seal"
    " campaign_outcomes_release case_pin claim_pass_on claim_wave_end claim_wave_start"
    " finding_assign hold_release sealed_incident",
    "what a person is, signs in with and is mailed is theirs alone, in their browser": "profile"
    " queue_outside sign_in_link break_glass_sign_in grant_console device_approve device_refuse",
    "is an interface of its own, by a standard": "device_authorization device_token evaluation"
    " otlp_traces signals_streams signals_status signals_add_subject signals_remove_subject"
    " signals_verify signals_poll",
    "shows components to developers": "styleguide styleguide_lanes styleguide_page",
}
