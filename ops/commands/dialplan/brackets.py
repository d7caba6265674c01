"""Split the arguments of an application, and find brackets and quotation marks that do not match. Pure."""

from __future__ import annotations

OPENS = {"(": ")", "[": "]", "{": "}"}


def split(arguments: str) -> list[str]:
    """The arguments of an application: commas inside of brackets do not separate."""
    parts, depth = [""], 0
    for character in arguments:
        depth += (character in "({[") - (character in ")}]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def mismatch(text: str) -> str | None:
    """Say which bracket or quotation mark has no partner, or None if all have."""
    waiting: list[str] = []
    for character in text:
        if character in OPENS:
            waiting.append(character)
        elif character in OPENS.values() and (not waiting or OPENS[waiting.pop()] != character):
            return f"«{character}» closes nothing"
    if waiting:
        return f"«{waiting[-1]}» is never closed with «{OPENS[waiting[-1]]}»"
    return "a quotation mark has no partner" if text.count('"') % 2 else None
