"""What a row of the audit says was done, in which role, and with which outcome, and the words for it.

The words are in Bokmål: a patient may read them («innsyn i logg»).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self


class AuditAction(StrEnum):
    """What someone did: the name that is stored, and the words for it."""

    _value_: str
    wording: str

    def __new__(cls, name: str, wording: str) -> Self:
        action = str.__new__(cls, name)
        action._value_ = name
        action.wording = wording
        return action

    LIST_CALLBACKS = "list_callbacks", "Så listen over tilbakeringinger"
    SEARCH = "search", "Søkte etter en tilbakeringing"
    GET_CALLBACK = "get_callback", "Så tilbakeringingen"
    GET_PATIENT = "get_patient", "Så hele fødselsnummeret"
    GET_CALL_PATIENT = "get_call_patient", "Så fødselsnummeret fra en ufullstendig innringing"
    GET_RECORDING = "get_recording", "Hørte det som ble sagt inn"
    GET_HISTORY = "get_history", "Så hva som har skjedd med tilbakeringingen"
    CALLBACK_PROMISES = "callback_promises", "Så hva som er lovet"
    CLAIM_NEXT = "claim_next", "Tok neste tilbakeringing"
    CLAIM_NAMED = "claim_named", "Tok tilbakeringingen"
    EXTEND = "extend", "Beholdt tilbakeringingen lenger"
    RELEASE = "release", "Ga tilbakeringingen fra seg"
    RECORD_ATTEMPT = "record_attempt", "Noterte et forsøk på å ringe"
    CLOSE = "close", "Avsluttet tilbakeringingen"
    REOPEN = "reopen", "Åpnet tilbakeringingen igjen"
    BOOK = "book", "Bestilte en tilbakeringing"
    AMEND = "amend", "Endret prioritet, tema eller notat"
    SORT = "sort", "Sorterte tilbakeringinger"
    TRANSFER = "transfer", "Sendte tilbakeringingen til en annen avdeling"
    CHANGE_PROMISE = "change_promise", "Ga et nytt løfte om når det ringes"
    DIAL = "dial", "Ba sentralen ringe"
    GET_DIAL = "get_dial", "Så om sentralen ringer"
    CANCEL_DIAL = "cancel_dial", "Avbrøt ringingen"
    LIST_CALLS = "list_calls", "Så listen over samtaler"
    DISMISS_CALL = "dismiss_call", "Avsluttet en ufullstendig innringing"
    BOOK_CALL = "book_call", "Laget en tilbakeringing av en ufullstendig innringing"
    LIST_DEPARTMENTS = "list_departments", "Så listen over avdelinger"
    CLOSE_QUEUE = "close_queue", "Stengte køen"
    LIST_CLOSURES = "list_closures", "Så når køen er stengt"
    END_CLOSURE = "end_closure", "Åpnet køen igjen"
    CLOSE_FLOOD = "close_flood", "Avsluttet tilbakeringinger fra en mulig flom"
    KEEP_FLOOD = "keep_flood", "Beholdt tilbakeringinger fra en mulig flom"
    DEPARTMENT_PROMISES = "department_promises", "Så avdelingens løfter"
    DEPARTMENT_WARNINGS = "department_warnings", "Så avdelingens varsler"
    DEPARTMENT_INTAKE = "department_intake", "Så hvem som venter i avdelingen"
    FHIR_READ_TASK = "fhir_read_task", "Så tilbakeringingen i journalsystemet"
    FHIR_LIST_TASKS = "fhir_list_tasks", "Så listen over tilbakeringinger i journalsystemet"
    FHIR_FIND_TASKS = "fhir_find_tasks", "Søkte etter tilbakeringinger i journalsystemet"
    FHIR_READ_SMS = "fhir_read_sms", "Så i journalsystemet om en SMS kom fram"
    FHIR_LIST_SMS = "fhir_list_sms", "Så i journalsystemet hvilke SMS-er som kom fram"
    STATISTICS = "statistics", "Så tall for avdelingene"
    EVENTS = "events", "Åpnet løpende varsling"
    EVENTS_SENT = "events_sent", "Ble varslet om at noe skjedde med tilbakeringingen"
    ME = "me", "Så sin egen tilgang"
    LOG_IN = "log_in", "Logget inn med passord"
    GET_SESSION = "get_session", "Så sin egen innlogging"
    LOG_OUT = "log_out", "Logget ut"
    LOG_OUT_EVERYWHERE = "log_out_everywhere", "Logget ut overalt"
    LIST_SESSIONS = "list_sessions", "Så hvor noen er logget inn"
    END_SESSION = "end_session", "Avsluttet en innlogging"
    CHANGE_PASSWORD = "change_password", "Byttet sitt eget passord"
    SECOND_FACTOR = "second_factor", "Så om en konto har totrinnsbekreftelse"
    START_SECOND_FACTOR = "start_second_factor", "Begynte å sette opp totrinnsbekreftelse"
    CONFIRM_SECOND_FACTOR = "confirm_second_factor", "Satte opp totrinnsbekreftelse"
    REMOVE_SECOND_FACTOR = "remove_second_factor", "Fjernet totrinnsbekreftelse"
    LIST_TOKENS = "list_tokens", "Så listen over tilganger for programmer"
    ADD_TOKEN = "add_token", "Laget en tilgang for et program"
    REVOKE_TOKEN = "revoke_token", "Tok tilgangen fra et program"
    BEGIN_LOG_IN = "begin_log_in", "Begynte å logge inn hos innloggingstjenesten"
    FINISH_LOG_IN = "finish_log_in", "Logget inn hos innloggingstjenesten"
    LOG_OUT_FROM_PROVIDER = "log_out_from_provider", "Ble logget ut av innloggingstjenesten"
    REPORT_DELIVERY = "report_delivery", "Meldte hva som ble av en SMS"
    OPEN_EMERGENCY = "open_emergency", "Åpnet avdelingen med nødrett"
    LIST_EMERGENCIES = "list_emergencies", "Så hvem som har brukt nødrett"
    END_EMERGENCY = "end_emergency", "Avsluttet nødretten"
    LIST_AUDIT = "list_audit", "Leste tilgangsloggen"
    EXTRACT_AUDIT = "extract_audit", "Tok ut tilgangsloggen for en pasient"
    PERSON_EXPORT = "person_export", "Tok ut alt som er lagret om personen"
    PERSON_ERASE = "person_erase", "Slettet det som var lagret om personen"
    LEGAL_HOLD = "legal_hold", "Stanset sletting av tilbakeringingen"
    LEGAL_HOLD_LIFT = "legal_hold_lift", "Tillot sletting av tilbakeringingen igjen"
    RETENTION_RUN = "retention_run", "Slettet det som var gammelt nok"
    AUDIT_EXTRACT = "audit_extract", "Tok ut tilgangsloggen for en pasient"
    OPEN_WALL = "open_wall", "Åpnet en veggskjerm"
    WALL = "wall", "Viste avdelingenes tall på en veggskjerm"
    OPERATE = "operate", "Så tilstanden til systemet"
    RECORD_PROMPT = "record_prompt", "Spilte inn en tekst"
    REMOVE_PROMPT_RECORDING = "remove_prompt_recording", "Slettet opptaket av en tekst"
    RESTORE_PROMPT_RECORDING = "restore_prompt_recording", "Tok tilbake det forrige opptaket av en tekst"
    BUILD_PROMPTS = "build_prompts", "Bygde tekstene som innringere hører"
    AUDIT_VERIFY = "audit_verify", "Kontrollerte tilgangsloggen"
    AUDIT_PRUNED = "audit_pruned", "Slettet de eldste dagene av tilgangsloggen"
    KEYS_ROTATE = "keys_rotate", "Byttet nøkkel for det som er lagret"
    AGENT_ADD = "agent_add", "Ga en medarbeider tilgang"
    AGENT_REVOKE = "agent_revoke", "Tok tilgangen fra en medarbeider"
    AGENT_GRANT = "agent_grant", "Ga en medarbeider en rolle"
    AGENT_WITHDRAW = "agent_withdraw", "Tok en rolle fra en medarbeider"
    AGENT_PASSWORD = "agent_password", "Satte passordet til en medarbeider"
    AGENT_SECOND_FACTOR = "agent_second_factor", "Fjernet totrinnsbekreftelsen til en medarbeider"
    AGENT_DISABLE = "agent_disable", "Stengte kontoen til en medarbeider"
    AGENT_ENABLE = "agent_enable", "Åpnet kontoen til en medarbeider igjen"
    TOKEN_ADD = "token_add", "Ga et program tilgang"
    TOKEN_REVOKE = "token_revoke", "Tok tilgangen fra et program"


ROLES: Final[Mapping[str, str]] = {
    "agent": "medarbeider",
    "leader": "leder",
    "operator": "driftsansvarlig",
    "auditor": "kontrollør",
    "admin": "administrator",
}

OUTCOMES: Final[Mapping[str, str]] = {"done": "utført", "refused": "avvist", "failed": "feilet"}


def action_in_words(action: str) -> str:
    """What was done, in words. A name that is no action, which only a changed row can have, is returned as it is."""
    return AuditAction[action.upper()].wording if action.upper() in AuditAction.__members__ else action


def roles_in_words(roles: str | None) -> str:
    """The roles, separated by commas."""
    return ", ".join(ROLES.get(role, role) for role in (roles or "").split(",") if role)
