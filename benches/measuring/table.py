"""The rows of the table, and the table as text.

Owner: nobody; a row is made once. Always: what was not measured says why and is neither met nor missed.
"""

from dataclasses import dataclass, field
from typing import Optional


@dataclass
class Row:
    """One target."""

    id: str
    what: str
    target: str
    unit: str = ""
    figure: Optional[float] = None
    floor: Optional[float] = None
    ratio: Optional[float] = None
    met: Optional[bool] = None
    marks: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    # Every run's value, by subject.
    runs: dict = field(default_factory=dict)


def missing(id, what, target, why):
    return Row(id, what, target, notes=[f"not measured: {why}"])


def number(value):
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def text(rows):
    head = ("#", "what", "figure", "floor", "ratio", "target", "met")
    lines = [head]
    for row in rows:
        unit = f" {row.unit}" if row.unit and row.figure is not None else ""
        met = {True: "yes", False: "NO", None: "-"}[row.met]
        if row.marks:
            met += f" ({', '.join(row.marks)})"
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else "-"
        lines.append((row.id, row.what, number(row.figure) + unit, number(row.floor), ratio, row.target, met))
    widths = [max(len(line[at]) for line in lines) for at in range(len(head) - 1)]
    out = []
    for at, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(line, widths)] + [line[-1]]
        out.append("| " + " | ".join(cells) + " |")
        if at == 0:
            out.append("|" + "|".join(" --- " for _ in head) + "|")
    for row in rows:
        out.extend(f"{row.id}: {note}" for note in row.notes)
    return "\n".join(out)
