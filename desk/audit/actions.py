"""The audit in words a patient may read («innsyn i logg»), in Bokmål: what was done, in which role, what came of it.

An action is the name of a route or of a command. A test fails while one of the application's own has no words here.
"""

from collections.abc import Mapping
from typing import Final

ACTIONS: Final[Mapping[str, str]] = {
    "list_callbacks": "Så listen over tilbakeringinger",
    "get_callback": "Så tilbakeringingen",
    "get_patient": "Så hele fødselsnummeret",
    "get_recording": "Hørte det som ble sagt inn",
    "get_history": "Så hva som har skjedd med tilbakeringingen",
    "callback_promises": "Så hva som er lovet",
    "claim_next": "Tok neste tilbakeringing",
    "claim_named": "Tok tilbakeringingen",
    "extend": "Beholdt tilbakeringingen lenger",
    "release": "Ga tilbakeringingen fra seg",
    "record_attempt": "Noterte et forsøk på å ringe",
    "close": "Avsluttet tilbakeringingen",
    "reopen": "Åpnet tilbakeringingen igjen",
    "book": "Bestilte en tilbakeringing",
    "amend": "Endret prioritet eller notat",
    "transfer": "Sendte tilbakeringingen til en annen avdeling",
    "promise_anew": "Ga et nytt løfte om når det ringes",
    "dial": "Ba sentralen ringe",
    "get_dial": "Så om sentralen ringer",
    "cancel_dial": "Avbrøt ringingen",
    "list_calls": "Så listen over samtaler",
    "list_departments": "Så listen over avdelinger",
    "close_queue": "Stengte køen",
    "department_promises": "Så avdelingens løfter",
    "department_warnings": "Så avdelingens varsler",
    "department_intake": "Så hvem som venter i avdelingen",
    "events": "Åpnet løpende varsling",
    "events_told": "Ble varslet om at noe skjedde med tilbakeringingen",
    "me": "Så sin egen tilgang",
    "log_in": "Logget inn med passord",
    "current": "Så sin egen innlogging",
    "log_out": "Logget ut",
    "log_out_everywhere": "Logget ut overalt",
    "list_sessions": "Så hvor noen er logget inn",
    "end_session": "Avsluttet en innlogging",
    "change_password": "Byttet sitt eget passord",
    "second_factor": "Så om en konto har totrinnsbekreftelse",
    "start_second_factor": "Begynte å sette opp totrinnsbekreftelse",
    "confirm_second_factor": "Satte opp totrinnsbekreftelse",
    "remove_second_factor": "Fjernet totrinnsbekreftelse",
    "list_tokens": "Så listen over tilganger for programmer",
    "add_token": "Laget en tilgang for et program",
    "revoke_token": "Tok tilgangen fra et program",
    "begin_log_in": "Begynte å logge inn hos innloggingstjenesten",
    "finish_log_in": "Logget inn hos innloggingstjenesten",
    "log_out_from_provider": "Ble logget ut av innloggingstjenesten",
    "report": "Meldte hva som ble av en SMS",
    "open_emergency": "Åpnet avdelingen med nødrett",
    "list_emergencies": "Så hvem som har brukt nødrett",
    "end_emergency": "Avsluttet nødretten",
    "list_audit": "Leste tilgangsloggen",
    "extract_audit": "Tok ut tilgangsloggen for en pasient",
    "person_export": "Tok ut alt som er lagret om personen",
    "person_erase": "Slettet det som var lagret om personen",
    "legal_hold": "Stanset sletting av tilbakeringingen",
    "legal_hold_lift": "Tillot sletting av tilbakeringingen igjen",
    "retention_run": "Slettet det som var gammelt nok",
    "audit_extract": "Tok ut tilgangsloggen for en pasient",
    "audit_verify": "Kontrollerte tilgangsloggen",
    "audit_pruned": "Slettet de eldste dagene av tilgangsloggen",
    "keys_rotate": "Byttet nøkkel for det som er lagret",
    "agent_add": "Ga en medarbeider tilgang",
    "agent_revoke": "Tok tilgangen fra en medarbeider",
    "agent_grant": "Ga en medarbeider en rolle",
    "agent_withdraw": "Tok en rolle fra en medarbeider",
    "agent_password": "Satte passordet til en medarbeider",
    "agent_second_factor": "Fjernet totrinnsbekreftelsen til en medarbeider",
    "agent_disable": "Stengte kontoen til en medarbeider",
    "agent_enable": "Åpnet kontoen til en medarbeider igjen",
    "token_add": "Ga et program tilgang",
    "token_revoke": "Tok tilgangen fra et program",
}

ROLES: Final[Mapping[str, str]] = {
    "agent": "medarbeider",
    "leader": "leder",
    "operator": "driftsansvarlig",
    "auditor": "kontrollør",
    "admin": "administrator",
}

OUTCOMES: Final[Mapping[str, str]] = {"done": "utført", "refused": "avvist", "failed": "feilet"}


def action_in_words(action: str) -> str:
    """What was done; an unknown action by its own name."""
    return ACTIONS.get(action, action)


def roles_in_words(roles: str | None) -> str:
    """The roles, comma between."""
    return ", ".join(ROLES.get(role, role) for role in (roles or "").split(",") if role)
