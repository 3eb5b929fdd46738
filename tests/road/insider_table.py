"""What every address that changes something does, and what stands against one person doing it alone.

A page and the address of the API of the same name (`api_…`) are one act and have one line. An
address that is in no line, or in two, fails tests/road/test_insider.py.
"""

from typing import NamedTuple


class Line(NamedTuple):
    effect: str  # grants, cuts, hides, frames or neither
    against: str
    acts: str


TWO = "two people: one proposes, another signs"
SEATS = "two people: the seats of a case sign, and none of them asked for it"
LEDGER = "a reason, and a row of the ledger under their name"
OWN = "own things only"

LINES = (
    # --- what gives authority, or takes part in it -----------------------------------------------
    Line(
        "grants",
        TWO,
        "policy_new policies policy_sign mode_new mode_sign bundle_new bundle_sign register"
        " change_sign hold_rules hold_rule_new hold_rule_sign playbooks playbook_new playbook_sign"
        " sealed sealed_new sealed_sign outgoing_propose outgoing_sign",
    ),
    Line(
        "grants",
        SEATS,
        "request_access request_new decide case_decide case_tie_break resume identity_resume",
    ),
    Line(
        "grants",
        "a second person approves it; alone only with a second factor, dearer, and looked back at",
        "break_glass break_glass_new break_glass_approve break_glass_bypass break_glass_longer"
        " break_glass_without_factor break_glass_vouch",
    ),
    Line(
        "grants",
        "what two people have granted already, to whom they granted it",
        "grant_credentials grant_console grant_retry device_approve device_token"
        " device_authorization device_refuse",
    ),
    Line(
        "grants",
        "an account of its own, kept outside, whose every use is told and looked back at by another",
        "break_glass_sign_in break_glass_account_new break_glass_account_seal"
        " break_glass_account_end",
    ),
    Line(
        "grants",
        "who is asked accepts it themselves",
        "hand_over identity_hand_over offer offer_accept offer_decline offer_withdraw succession"
        " succession_accept succession_decline case_hand_over places_of_leaver",
    ),
    Line(
        "grants",
        "who answers for it: owner, purpose and end stand first, and authority is granted by a case",
        "activate identity_activate activate_many owned_activate attest attest_many"
        " identity_renew owned_renew identity_vendor vendor",
    ),
    Line(
        "grants",
        "authority changes only by a case; what is sent is compared with what is granted",
        "manifests identity_places name name_many",
    ),
    Line("grants", TWO + ", and neither is who left; their places go to those who accept", "people person person_page"),
    # --- what takes something away ----------------------------------------------------------------
    Line(
        "cuts",
        "a hold is reversible and alone; what cannot be undone is the lead's in an incident, or both seats'",
        "revocations cascade cascade_sign batches batch_new batch_sign credential_hold"
        " credential_release containment containment_new containment_sign"
        " containment_ask containment_undo playbook_runs playbook_run_new playbook_run_sign"
        " playbook_run_stop automatic_release automatic_hold_release",
    ),
    Line("cuts", "what two people decided is sent, held longer or given back", "revocation_retry several_release several_drop held_release held_drop case_release restore case_restore case_undo campaign_outcomes_release"),
    Line("cuts", "a second person signs what a first one states was done by hand", "revocation_state revocation_sign revocation_refuse"),
    Line("cuts", "who answers for it, alone where it is no AI system; else a case", "retire identity_retire"),
    Line("cuts", "their asker or a responder gives back or cuts off; it only narrows", "break_glass_give_back break_glass_cut_off break_glass_deny break_glass_send_back"),
    Line("cuts", "a receiver is told; what it may see is narrowed by an administrator, " + LEDGER, "signal_receiver signal_receivers signal_stream signal_end signal_test signal_enable signal_pause signal_disable signal_remove signals_streams signals_status signals_add_subject signals_remove_subject signals_verify signals_poll"),
    # --- what makes something unseen --------------------------------------------------------------
    Line(
        "hides",
        TWO,
        "freeze_new freeze_sign deposit_erase erasure_confirm erasure_refuse source_token"
        " source_connect mapping_page mappings source_new sources source_filter unseal_ask unseal_sign source_declare",
    ),
    Line(
        "hides",
        TWO + "; a source is resumed by one, its pulls stop for an hour, once a day, by one, and a"
        " shorter period counts after seven days",
        "source source_pause inventory_pause",
    ),
    Line("hides", "a step back to what is safer, and " + LEDGER, "mode_back hold_rule_end freeze_end playbook_end policy_refuse mode_refuse bundle_refuse hold_rule_refuse playbook_refuse sealed_refuse outgoing_refuse change_refuse freeze_refuse refuse_link link_refuse unseal_drop"),
    Line("hides", TWO + "; confirming a finding hides nothing, and is one person's", "dispose_finding finding_dispose alert_dismiss"),
    Line("hides", "it opens or joins an incident; two, where its names are of somebody else", "alert_match"),
    Line("hides", LEDGER + "; nobody else is kept from looking", "finding_assign"),
    Line("hides", LEDGER + "; the evidence stays under its own custody", "source_cancel source_retention source_hold hold_release source_secret"),
    Line("hides", "a responder seals, who is added sees; ending it takes two", "seal sealed_incident member_add member_remove subject_add"),
    Line("hides", "who cancels it decides nothing in its successor; who answers for it does not cancel", "case_cancel"),
    Line("hides", "the criticality is written down with a reason; lower asks who answers for more", "service_criticality"),
    # --- what speaks of whom ----------------------------------------------------------------------
    Line("frames", "a second person signs a link, or the other owners where somebody else uses the actor", "bind confirm_binding reject_binding confirm_by_rule link_new link_make link_sign sign_link unclaimed_reject"),
    Line("frames", TWO + ", and one of them answers for the identity", "unbind"),
    Line("frames", "answers about oneself; a rule that names others takes effect as proposals", "claim_answer claim_undo claim_rule claim_rule_sign claim_pass_on claim_wave_start claim_wave_end"),
    Line("frames", "only with the source's own secret, for its own realms", "evidence github kubernetes push_signals otlp_traces alerts_from tickets receiver"),
    Line("frames", TWO + "; at once only where nothing that holds evidence speaks for the same realms", "source_drop"),
    Line("frames", "a conclusion names its evidence, and closing takes a second person", "incident_conclude room_conclude incident_outcome room_outcome incident_close room_close incident_look_back room_look_back incident_send_back room_send_back"),
    Line("frames", "looked back at by somebody else than who used it", "sealed_drill sealed_explain sealed_decide sealed_look_back break_glass_account_use break_glass_account_look_back break_glass_review break_glass_explain break_glass_look break_glass_ticket"),
    # --- what changes nothing that is in force ----------------------------------------------------
    Line("neither", "asks people; what comes of it they sign", "open_review case_again case_start second_look case_second_look campaigns campaign_new campaign_launch campaign_pause campaign_resume campaign_extend campaign_reiterate campaign_close policy_try hold_rule_replay left case_left"),
    Line("neither", "the work in an incident, under a name", "incidents incident_new incident_severity incident_role incident_hand_over incident_lessons incident_ask incident_drop incident_take_up incident_task incident_end_task incident_freeze incident_review room_severity room_role room_hand_over room_lessons room_ask room_drop room_take_up room_task room_end_task room_freeze room_review timeline timeline_mark"),
    Line("neither", "announced to everybody who decides; reviewed by another person than whose login it is", "recovery_cancel recovery_review"),
    Line("neither", "words and copies, of what they see", "comment case_comment case_pin event_pin events_freeze packs case_pack pack_take pack_file pack_transfer pack_transfers capsules population_take"),
    Line("neither", OWN, "profile queue_keep queue_undo queue_outside sign_in_link"),
    Line("neither", "reads again what is kept or there", "deposit_reread source_check source_pull inventory_read"),
    Line("neither", "answers a question", "evaluation styleguide styleguide_lanes styleguide_page"),
)  # fmt: skip


# --- what one person changes alone, by the kind of insider_state.KINDS -----------------------------

STOPS_TELLING = "what others are told stops: a reason in the ledger, and the page of signals shows it (SECURITY.md)"
ENDS_ACCOUNT = "codes that somebody may know open nothing from now on; the last account cannot end"
# Meant to be so: each with the sentence why.
ALONE: dict[str, dict[str, str]] = {
    "holds": {
        "revocations cascade cascade_sign batches batch_sign credential_hold credential_release"
        " case_release containment containment_sign containment_undo": "a hold is reversible: who"
        " contains, or answers for it, holds and lets go of it",
        "revocation_retry": "what was signed before is sent again",
        "automatic_hold_release automatic_release": "what was held by itself is let go of again",
    },
    "cuts": {"revocation_retry": "what was signed before is sent again"},
    "outcomes": {
        "containment containment_sign playbook_runs playbook_run_sign": "the lead signs for the"
        " incident, by a playbook that two people signed (docs/containment.md)",
    },
    "outcomes that give nothing": {"break_glass_deny": "who is asked gives nothing"},
    "cases": {
        "case_cancel": "who cancels decides nothing in the successor (SECURITY.md)",
        "break_glass_send_back": "who is asked gives nothing; it may be asked for again",
    },
    "automatic holds": {"hold_rule_end": "a step back: nothing is held by itself any more"},
    "playbooks": {"playbook_end": "a step back: nobody runs it any more"},
    "modes": {"mode_back": "a step back: silence cuts less"},
    "retention": {
        "source source_retention": "one person keeps evidence longer; a shorter period takes two"
    },
    "break-glass accounts": {"break_glass_account_end": ENDS_ACCOUNT},
    "logins": {"break_glass_account_end": ENDS_ACCOUNT},
    "receivers of signals": {"signal_end": STOPS_TELLING},
    "streams of signals": {
        "signal_end signal_stream signal_enable signal_pause signal_disable signal_remove": STOPS_TELLING
    },
    "freezes": {"freeze_end": "one ends it early, with a reason; nothing fires at once"},
    "attestations": {
        "attest attest_many identity_renew owned_renew": "who answers for it says what it is for"
        " and until when; authority has an end of its own",
    },
    "identities": {"offer_accept succession_accept": "the second of two: its owner offered it"},
    "findings": {
        "dispose_finding finding_dispose automatic_hold_release automatic_release": "one person"
        " confirms a finding, which hides nothing: it is listed, counted, asked about and held for"
        " as an open one is",
    },
    "when it is pulled": {
        "source source_pause": "an hour later, once a day, so that one person meets a flood",
        "source_pull": "at once, instead of later",
    },
    "alerts": {
        "alert_match": "it opens or joins an incident of whom its names are, or of somebody where"
        " they are nobody's: it stands in the timeline there, and a second person closes it",
    },
}


def alone(kind: str) -> set[str]:
    """The acts that may change this kind."""
    return {act for acts in ALONE.get(kind, {}) for act in acts.split()}


def act_of(name: str) -> str:
    return name.removeprefix("api_")


def line_of(name: str) -> list[Line]:
    """The lines of an address; exactly one, where the table is whole."""
    if name.startswith(("account_", "mfa_")):
        return [Line("neither", "own login, by who is signed in to it", name)]
    return [line for line in LINES if act_of(name) in line.acts.split()]
