"""The fault table, for the terminal and for docs/faults.md."""

from collections.abc import Sequence

from rich.table import Table

from tests.chaos.ledger import SILENCE_GOAL, STAYED_GOAL, Result

HEADINGS = (
    *("fault", "engine", "calls", "heard receipt", "rows", "lost", "doubled", "worst silence", "no trace"),
    "stayed, with a true receipt",
)


def cells(result: Result) -> tuple[str, ...]:
    """One row of the table."""
    stayed = result.stayed
    kept = sum(each.true_receipt for each in stayed)
    return (
        result.kind,
        {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(result.engine, result.engine),
        str(result.calls),
        str(result.receipts),
        str(result.rows),
        str(result.lost),
        str(result.doubled),
        f"{result.silence:.1f} s",
        str(result.untraced),
        f"{kept} of {len(stayed)}" if stayed else "–",
    )


def shown(results: Sequence[Result]) -> Table:
    """The table for a terminal."""
    table = Table(title="What callers heard under each fault, and what was stored")
    for n, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if n < 2 else "right", no_wrap=True)
    for result in results:
        style = "red" if result.broken else "yellow" if result.missed else ""
        table.add_row(*cells(result), style=style)
    return table


def markdown(results: Sequence[Result]) -> str:
    """The same table for a document."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(cells(result))} |" for result in results]
    return "\n".join(lines)


def verdict(results: Sequence[Result]) -> list[str]:
    """Sums, and what missed a goal."""
    living = [result for result in results if result.asterisk_lives]
    stayed = [entry for result in living for entry in result.stayed]
    kept = sum(entry.true_receipt for entry in stayed)
    lines = [
        f"{len({result.kind for result in results})} kinds, {len(results)} lines, "
        f"{sum(r.calls for r in results)} calls: "
        f"{sum(r.receipts for r in results)} heard a receipt, {sum(r.rows for r in results)} rows, "
        f"lost {sum(r.lost for r in results)}, doubled {sum(r.doubled for r in results)}, "
        f"orphans {sum(r.orphans for r in results)}, without a trace {sum(r.untraced for r in results)}, "
        f"wrong person or number {sum(r.wrong for r in results)}",
        f"where Asterisk lives, {kept} of {len(stayed)} who stayed ended with a true receipt "
        f"({kept / max(len(stayed), 1):.1%}; the goal for each kind is {STAYED_GOAL:.0%}; silence at most "
        f"{SILENCE_GOAL:.0f} s)",
    ]
    lines += [f"BROKEN {r.kind}, {r.engine}: {', '.join(r.broken)}" for r in results if r.broken]
    return lines + [f"missed {r.kind}, {r.engine}: {', '.join(r.missed)}" for r in results if r.missed]
