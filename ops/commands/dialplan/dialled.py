"""Check what the dialplan calls: each phone must exist, and no caller may choose the number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from ops.commands.dialplan.brackets import split
from ops.commands.dialplan.parser import Dialplan, Step
from ops.commands.dialplan.words import nearest

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_NUMBER = re.compile(r"\+?[0-9]+")

Finding = tuple[int, str]


def in_dials(plan: Dialplan, phones: Collection[str], variables: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the phones of Dial(). `variables` are those of [globals]."""
    for _, _, step in plan.steps():
        if step.is_application("Dial"):
            arguments = [part.strip() for part in split(step.arguments)]
            for target in arguments[0].split("&"):
                yield from _target(step, target.strip(), phones, variables)
            if len(arguments) > 1 and arguments[1] and not re.fullmatch(r"\d+(\^.*)?|\$\{.*\}", arguments[1]):
                yield step.line, f"Dial() for «{arguments[1]}» seconds: write a number, such as 30"


def in_variables(variables: Mapping[str, tuple[int, str]], phones: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the phones, and the standby, that [globals] names."""
    for name, (line, value) in variables.items():
        if name == "STANDBY":
            if not re.fullmatch(r"agi://[^/:]+:\d+|agi://\[[0-9a-fA-F:]+\]:\d+", value):
                yield line, f"STANDBY: «{value}» is no address of a standby: write agi://127.0.0.1:4573"
        elif name == "SWITCHBOARD" or "/" in value:
            for target in value.split("&"):
                for reason in _reasons(target.strip(), phones):
                    yield line, f"{name}: {reason}"


def _target(step: Step, target: str, phones: Collection[str], variables: Mapping[str, str]) -> Iterator[Finding]:
    if whole := _VARIABLE.fullmatch(target):
        if whole[1] not in variables:
            near = nearest(whole[1], variables)
            yield step.line, f"Dial({target}): [globals] has no {whole[1]}{near or ', so no one is called'}"
        return  # its value is checked where it is set
    for reason in _reasons(target, phones):
        yield step.line, f"Dial({target}): {reason}"


def _reasons(target: str, phones: Collection[str]) -> Iterator[str]:
    technology, slash, rest = target.partition("/")
    number, at, endpoint = rest.rpartition("@")
    if not target:
        yield "no phone is named: write PJSIP/name"
    elif "${" in target:
        yield "a variable chooses the number: write the phone's name, or set it in [globals]"
    elif technology != "PJSIP" or not slash:
        yield f"«{technology}» is not how phones are called here: write PJSIP/{rest or technology}"
    elif at and not _NUMBER.fullmatch(number):
        yield f"«{number}» is not a number: write digits in front of @{endpoint}"
    elif endpoint not in phones:
        near = nearest(endpoint, phones)
        yield f"there is no [{endpoint}] with type=endpoint in pjsip.conf{near or ', so it never rings'}"
