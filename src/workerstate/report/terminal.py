"""The summary that a person reads: workers, pools, findings, and what was not observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.report import words

if TYPE_CHECKING:
    from rich.console import Console

MANY = 12  # rows of one kind before the rest is counted


def render(document: dict[str, Any], console: Console, *, quiet: bool = False) -> None:
    """Write the summary to ``console``; ``quiet`` leaves the first line and the findings."""
    _headline(document, console)
    if not quiet:
        _workers(document, console)
        _births(document, console)
        _pools(document, console)
        _deaths(document, console)
        _purity(document, console)
        _missing(document, console)
    _findings(document, console)
    for row in document["not_observed"] if quiet else ():
        if "declaration" in row["reason"]:
            console.print(f"  {row['count']} x {row['reason']}", markup=False)
    if not quiet:
        console.print(f"  again: workerstate show {document['recording']}", style="dim")


def _headline(document: dict[str, Any], console: Console) -> None:
    program, workers = document["program"], document["workers"]
    tasks = sum(words.number_of_tasks(worker) for worker in workers)
    ended = f"exit {program['exit_code']}"
    if program["signal"]:
        ended = f"{program['signal']} ({ended})"
    console.print(
        f"workerstate: {words.count(len(workers), 'worker')}, {words.count(tasks, 'task')}, "
        f"{words.duration(program['ms'])}, {ended}",
        style="bold",
    )


def _workers(document: dict[str, Any], console: Console) -> None:
    from rich.table import Table

    workers = document["workers"]
    if not workers:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in ("  worker", "pid", "backend", "start", "imports", "tasks", "ran", "end"):
        table.add_column(name, overflow="fold", no_wrap=name != "ran", header_style="dim")
    for worker in workers[:MANY]:
        table.add_row(
            f"  {worker['number']}",
            str(worker["pid"]),
            worker["backend"],
            worker["start_method"],
            str(len(worker["birth"]["imports"])),
            str(words.number_of_tasks(worker)),
            words.functions(worker["tasks"]) or "(no task)",
            words.ending(worker["death"]),
        )
    console.print(table)
    _more(console, len(workers), "worker")
    for worker in workers[:MANY]:
        for line in words.net_changes(worker["tasks"])[:3]:
            console.print(f"    worker {worker['number']} left behind  {line}")


def _births(document: dict[str, Any], console: Console) -> None:
    """Say what differs from the parent, once for all workers that share it."""
    groups = words.grouped_differences(document["workers"])
    if not groups:
        return
    console.print("  differs from the parent at birth", style="dim")
    total = len(document["workers"])
    for facet, where, numbers, said in groups[:MANY]:
        who = "all workers" if len(numbers) == total else f"worker {words.listed(numbers)}"
        console.print(f"    {facet}, {where} ({who}): {'; '.join(said[:6])}", markup=False)
        if len(said) > 6:
            console.print(f"      and {len(said) - 6} more", style="dim")
    _more(console, len(groups), "difference")


def _pools(document: dict[str, Any], console: Console) -> None:
    pools = document["pools"]
    if not pools:
        return
    console.print("  pools", style="dim")
    for row in pools[:MANY]:
        console.print(
            f"    call {row['call']}  {row['backend']}, n_jobs {row['n_jobs']}: {row['event']} "
            f"({row['reason']})",
            markup=False,
        )
    _more(console, len(pools), "call")


def _deaths(document: dict[str, Any], console: Console) -> None:
    for worker in document["workers"]:
        death = worker["death"]
        if death["task"] is None or death["exit_code"] == 0:
            continue
        memory = death["memory"]
        seen = f", memory last seen {words.size(memory['last'])}" if memory else ""
        console.print(
            f"  worker {worker['number']} (pid {worker['pid']}) ended by {words.ending(death)} "
            f"while running {death['task']}{seen}",
            markup=False,
        )


def _purity(document: dict[str, Any], console: Console) -> None:
    for line in words.purity(document.get("purity")):
        console.print(f"  {line}", markup=False)


def _missing(document: dict[str, Any], console: Console) -> None:
    for row in document["not_observed"]:
        console.print(f"  not observed: {row['count']} x {row['reason']}", markup=False)
    if document["faults"]:
        console.print(
            f"  {words.count(len(document['faults']), 'internal fault')} of workerstate; "
            "they are in the document under 'faults'"
        )


def _findings(document: dict[str, Any], console: Console) -> None:
    for finding in document["findings"]:
        place = f"{finding['path']}:{finding['line']}: " if finding["path"] else ""
        console.print(f"  {finding['code']} {finding['name']}", style="bold yellow")
        console.print(f"    {place}{finding['sentence']}", markup=False)
        if finding["remedy"]:
            console.print(f"    remedy: {finding['remedy']}", markup=False, style="green")
    number = len(document["findings"])
    if number:
        console.print(f"  {words.count(number, 'finding')}; more: workerstate rule CODE")
    if document.get("ignored"):
        console.print(f"  {words.count(document['ignored'], 'more finding')} ignored, as asked for")


def _more(console: Console, number: int, noun: str) -> None:
    if number > MANY:
        console.print(f"    and {words.count(number - MANY, 'more ' + noun)}", style="dim")
