"""Tables: how fast VOTables are written and read, in MB of the document per second of processor time.

One program writes and reads 300,000 rows of 38 columns (`crates/votable/examples/rates.rs`) and measures itself.
"""

import json
import pathlib
import statistics
import subprocess

from machine import PEER_CPU, Machine

GOALS = {"written": 300, "read": 200}


def run(machine: Machine, options) -> dict:
    program = machine.build("jansky-votable", "--example", "rates")
    rounds = []
    for _ in range(options.rounds):
        command = machine.pinned(PEER_CPU, [program])
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    show(rounds)
    return {"rounds": rounds}


def show(rounds: list[dict]) -> None:
    busy = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"\n### tables\n\nMedians of {len(rounds)} rounds; load average at the end {busy}.\n")
    print("| | MB per CPU second | least to most | goal |\n|---|---|---|---|")
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        middle = statistics.median(values)
        goal = GOALS[name.split()[-1]]
        print(f"| {name} | {middle:,.0f} | {min(values):,.0f} to {max(values):,.0f} | {goal} |")
