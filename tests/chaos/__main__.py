"""`make chaos`: callers on real SIP lines while things die, freeze and fill up; what they heard against what is stored.

Every kind of fault strikes a running system (Asterisk, both doors under their supervisor, PostgreSQL or SQLite) while
at least ten people with the hands of the finger model are at every step of their calls. What each caller heard is
recognised in the sound, and compared with the rows. A kind and a seed replay the same callers.

    python -m tests.chaos                          every kind on both engines
    python -m tests.chaos --short                  one kind on each engine, for CI
    python -m tests.chaos --kinds ARI --seed 17    kinds whose name contains a word
    python -m tests.chaos --engines control        the control: a bare aioari script under the same faults

Exit code 1 if a confirmed callback was lost or doubled, something was left behind, or a caller left no trace.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from desk.paths import ROOT
from ops.machine import tree
from tests.chaos.control import CONTROL
from tests.chaos.faults import ALL, CONTROL_KINDS, SHORT
from tests.chaos.faults.kind import Kind
from tests.chaos.ledger import Result
from tests.chaos.report import cells, markdown, shown, verdict
from tests.chaos.world import ENGINES
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run

CALLS = 10
LANES = 3
"""Systems of each engine side by side: most of a call is waiting."""


Lane = tuple[str, list[Kind]]
"""An engine, and the kinds that strike one system on it."""


def plan(kinds: Sequence[Kind], engines: Sequence[str], lanes: int, *, short: bool = False) -> list[Lane]:
    """Deal the kinds out to lanes, each with its engine."""
    dealt: list[Lane] = []
    for engine in engines:
        here = [kind for kind in kinds if engine in kind.engines and not (short and kind.name not in SHORT[engine])]
        if engine == CONTROL:
            here = [kind for kind in kinds if kind.name in CONTROL_KINDS]
        dealt += [(engine, here[n::lanes]) for n in range(min(lanes, len(here)))]
    return dealt


def run_lanes(dealt: Sequence[Lane], *, seed: int, calls: int, folder: Path, say: Console) -> list[Result]:
    """Run every lane in a process of its own, and show each result when it comes."""
    files = [folder / f"lane-{n}.jsonl" for n in range(len(dealt))]
    children = []
    for n, ((engine, kinds), file) in enumerate(zip(dealt, files, strict=True)):
        names = "|".join(kind.name for kind in kinds)
        command = [sys.executable, "-m", "tests.chaos.lane", "--engine", engine, "--kinds", names]
        command += ["--seed", str(seed), "--calls", str(calls), "--out", str(file)]
        with (folder / f"lane-{n}.said").open("w") as said:
            children.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said))
    seen = dict.fromkeys(files, 0)
    try:
        while True:
            running = any(child.poll() is None for child in children)
            for file in files:
                lines = file.read_text("utf-8").splitlines() if file.exists() else []
                for row in map(json.loads, lines[seen[file] :]):
                    if "skipped" in row:
                        say.print(f"not here: {row['skipped']}, {row['engine']}: {row['why']}")
                        continue
                    result = Result.from_json(row)
                    say.print(" | ".join(cells(result)), *result.broken, sep="  ", highlight=False)
                seen[file] = len(lines)
            if not running:
                break
            time.sleep(1)
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait()
    for n, child in enumerate(children):
        if child.returncode:
            say.print(f"lane {n} ended with {child.returncode}:", (folder / f"lane-{n}.said").read_text()[-2000:])
    return read_results(folder)


def read_results(folder: Path) -> list[Result]:
    """Read the results of a run, in the order of the table."""
    order = [kind.name for kind in ALL]
    files = sorted(folder.glob("lane-*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    results = [Result.from_json(row) for row in rows if "skipped" not in row]
    return sorted(results, key=lambda result: (order.index(result.kind), result.engine))


def main() -> None:
    asked = argparse.ArgumentParser(prog="chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--seed", type=int, default=None, help="replay the callers of an earlier run")
    asked.add_argument("--short", action="store_true", help="one kind on each engine, for CI")
    asked.add_argument("--kinds", nargs="+", default=[""], help="words in the names of the kinds to run")
    asked.add_argument("--engines", nargs="+", choices=[*ENGINES, CONTROL], default=list(ENGINES))
    asked.add_argument("--calls", type=int, default=CALLS, help="calls of each kind on each engine")
    asked.add_argument("--lanes", type=int, default=LANES, help="systems of each engine side by side")
    asked.add_argument("--out", type=Path, default=None, help="a folder for results, logs and the table")
    given = asked.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    kinds = [kind for kind in ALL if any(word in kind.name for word in given.kinds)]
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(f"seed {seed}", highlight=False)
    folder = given.out or Path(tempfile.mkdtemp(prefix="innringing-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    settings = machine_settings(folder / "prompts")
    built = run(settings, "prompts", "build", "--tools", str(tree.ensure(tree.ASTERISK) / "bin"), seconds=300)
    assert built.returncode == 0, built.stderr
    dealt = plan(kinds, given.engines, given.lanes, short=given.short)
    results = run_lanes(dealt, seed=seed, calls=given.calls, folder=folder, say=console)
    console.print(shown(results))
    console.print("\n".join(verdict(results)), highlight=False)
    (folder / "table.md").write_text(markdown(results) + "\n\n" + "\n".join(verdict(results)) + "\n", "utf-8")
    console.print(f"Replay with --seed {seed}. Results and logs: {folder}", highlight=False)
    expected = sum(len(each) for _, each in dealt)
    sys.exit(0 if results and len(results) <= expected and not any(result.broken for result in results) else 1)


if __name__ == "__main__":
    main()
