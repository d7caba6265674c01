"""Operators' TOML files read with pydantic. A mistake is reported in one line: file, line, and how to fix it."""

import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from desk.files.toml_files import Fault, parse, read_text
from desk.files.toml_lines import key_lines

Place: TypeAlias = tuple[str, ...]
"""The keys that lead to a value: `("kirurgi", "cutoff")`."""
Model = TypeVar("Model", bound=BaseModel)
TYPES = {
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "list_type": "a list",
}
"""pydantic's types of errors, and what the value must be."""


class TomlTable(BaseModel):
    """A table of a file. Values keep the types TOML gives them: "8" is not a number, and 1 is not true."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, table: Any) -> Any:
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        if isinstance(table, dict) and cls.model_config.get("extra") == "forbid":
            for key in table:
                if key not in keys:
                    raise refusal(f"unknown key «{key}»{suggestion(key, keys)}", key)
        return table


def refusal(reason: str, *place: str) -> PydanticCustomError:
    """Return the error to raise for a mistake. `reason` is the whole sentence; `place` is relative to the table."""
    return PydanticCustomError("refusal", "{reason}", {"reason": reason, "place": place})


def wrong(predicate: str) -> PydanticCustomError:
    """Return the error to raise for one value. The sentence begins with the value's key: «cutoff» must be …"""
    return PydanticCustomError("wrong", "{predicate}", {"predicate": predicate})


def suggestion(word: str, known: Any) -> str:
    """Return `: did you mean «…»?` where a known word is similar, else an empty text."""
    near = get_close_matches(word, known, n=1)
    return f": did you mean «{near[0]}»?" if near else ""


def whole_number(low: int, high: int) -> BeforeValidator:
    """Accept a whole number from `low` to `high`."""

    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise wrong(f"must be a whole number from {low} to {high}")
        return value

    return BeforeValidator(check)


def texts(what: str, accepts: Callable[[str], bool] = bool) -> BeforeValidator:
    """Accept a list of one or more texts, each once; `what` says in the plural what they are."""

    def check(value: object) -> object:
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(text, str) and accepts(text) for text in value)
            or len(set(value)) < len(value)
        ):
            raise wrong(f"must be a list of one or more {what}, each once")
        return tuple(value)

    return BeforeValidator(check)


def _stripped(text: str) -> str:
    if not text.strip():
        raise wrong("is empty")
    return text.strip()


Text: TypeAlias = Annotated[str, AfterValidator(_stripped)]
"""Text that is not blank."""


def load_toml(
    file: Path,
    model: type[Model],
    fault: Fault,
    *,
    subject: Callable[[Place], str] = lambda place: f"«{place[-1]}»",
    missing: str | None = None,
) -> Model:
    """Read the file as `model`. Raises what `fault` makes from file, line and reason, and takes nothing from it.

    `subject` names a value at the start of a sentence. `missing` is the reason for a file that is not there.
    """
    text = read_text(file, fault, missing=missing)
    content = parse(file, text, fault)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        _raise_first(error, file, key_lines(text), fault, subject)


def line_of(place: Place, lines: Mapping[Place, int]) -> int | None:
    """Return the line of that key, or of the innermost table around it that has one."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place)


def _raise_first(
    error: ValidationError,
    file: Path,
    lines: Mapping[Place, int],
    fault: Fault,
    subject: Callable[[Place], str],
) -> NoReturn:
    """Raise the mistake that comes first in the file."""
    found = [(line_of(place, lines), reason) for place, reason in _mistakes(error, subject)]
    line, reason = min(found, key=lambda each: math.inf if each[0] is None else each[0])
    raise fault(file, line, reason) from None


def _mistakes(error: ValidationError, subject: Callable[[Place], str]) -> Iterator[tuple[Place, str]]:
    for each in error.errors(include_url=False, include_input=False):
        place = tuple(str(part) for part in each["loc"] if part != "[key]")
        if each["type"] == "refusal":
            yield (*place, *each["ctx"]["place"]), each["ctx"]["reason"]
        elif each["type"] == "missing":
            yield place[:-1], f"{subject(place)} is missing"
        else:
            yield place, f"{subject(place)} {_predicate(each)}"


def _predicate(error: ErrorDetails) -> str:
    if error["type"] == "wrong":
        return str(error["ctx"]["predicate"])
    if error["type"] in TYPES:
        return f"must be {TYPES[error['type']]}"
    if error["type"] in ("literal_error", "enum"):
        choices = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        return f"must be one of {choices}"
    return f"is not valid: {error['msg']}"
