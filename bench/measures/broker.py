"""The broker: tokens from the cache of the hub, and a storm of refreshes at a slow provider.

One program holds hub and client (`crates/web/examples/broker.rs`), so the CPU time per token is an
upper bound: the client's part is in it.
"""

import json
import pathlib
import subprocess

from machine import Machine

AIM = 5_000


def run(machine: Machine, options) -> list[dict]:
    program = machine.build("jansky-web", "--example", "broker")
    rounds = []
    for _ in range(max(1, options.rounds // 2)):
        done = subprocess.run([program], check=True, stdout=subprocess.PIPE)
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    show(rounds)
    return rounds


def show(rounds: list[dict]) -> None:
    busy = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(
        f"\n### broker\n\n{len(rounds)} runs; load average at the end {busy}. Aim: {AIM:,} tokens/s.\n"
    )
    figures = list(rounds[0])
    print("| figure | " + " | ".join(f"run {number + 1}" for number in range(len(rounds))) + " |")
    print("|---|" + "---|" * len(rounds))
    for figure in figures:
        values = (one[figure] for one in rounds)
        shown = (f"{value:,.2f}" if isinstance(value, float) else f"{value}" for value in values)
        print(f"| {figure.replace('_', ' ')} | " + " | ".join(shown) + " |")
