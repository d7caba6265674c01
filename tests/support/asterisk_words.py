"""Write the names that Asterisk knows to words.json: `python -m tests.support.asterisk_words`.

They come from the documentation in Asterisk's package: applications, functions, and the options of pjsip.conf.
`innringing check` reads the file, so that it also works where no Asterisk is installed. Run this when the tree has
moved to a later Asterisk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from desk.paths import ROOT
from ops.machine import tree

FILE = ROOT / "ops" / "commands" / "dialplan" / "words.json"
DOCUMENTATION = "usr/share/asterisk/documentation/core-en_US.xml"
NOT_BOOLEAN = frozenset({"tos", "cos"})
"""Options whose default is `no` although they hold other values."""


def words(documentation: Path) -> dict[str, object]:
    """Read the names from Asterisk's documentation."""
    root = ElementTree.parse(documentation).getroot()
    return {
        "applications": _by_name(root, "application"),
        "functions": _by_name(root, "function"),
        "sip": {
            kind.get("name", ""): {"module": info.get("name", ""), **_options(kind)}
            for info in root.iter("configInfo")
            for file in info.iter("configFile")
            if file.get("name") == "pjsip.conf"
            for kind in file.iter("configObject")
        },
    }


def _by_name(root: ElementTree.Element, tag: str) -> dict[str, str]:
    """Return the module of each name. An empty one is part of the core."""
    modules = {each.get("name", ""): each.get("module", "") for each in root.iter(tag)}
    return {name: "" if module == "builtin" else module for name, module in sorted(modules.items())}


def _options(kind: ElementTree.Element) -> Mapping[str, object]:
    options, booleans, values = ["type"], [], {}
    for option in kind.findall("configOption"):
        name = option.get("name", "")
        options.append(name)
        listed = [each.get("name", "") for each in option.findall("./description/enumlist/enum")]
        if listed and all(word.replace("_", "").replace("-", "").isalnum() for word in listed):
            values[name] = listed
        elif not listed and option.get("default") in ("yes", "no", "true", "false") and name not in NOT_BOOLEAN:
            booleans.append(name)
    return {"options": sorted({*options}), "booleans": sorted(booleans), "values": values}


def written(found: Mapping[str, object]) -> str:
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(words(tree.ensure(tree.ASTERISK) / DOCUMENTATION)), encoding="utf-8")
