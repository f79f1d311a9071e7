"""The hub: token checks, start-up time and memory.

A token check is `GET /hub/api/user` with a user's own token, sent straight to the hub; every
notebook server asks this for its visitors. A start lasts until the first healthy answer through the
public port. Nothing is bound to a CPU: where the kernel lets client and hub meet, one connection is
not a measure of how it wakes an idle CPU.
"""

import contextlib
import pathlib
import statistics
import time

from machine import Machine
from measures.proxy import sample
from peers import jansky_hub, jupyterhub

HUBS = (jansky_hub.Hub, jupyterhub.Hub)
CONNECTIONS = (1, 16)
USERS = (10, 10_000)

# A program is idle this long after its start, in seconds.
SETTLED = 2.0


def run(machine: Machine, options) -> dict:
    hubs = {}
    for users in USERS:
        for kind in HUBS:
            home = machine.scratch / f"{kind.name}-{users}"
            home.mkdir()
            hubs[kind.name, users] = kind(machine, home, users)
    results = {}
    for users in USERS:
        these = {kind.name: hubs[kind.name, users] for kind in HUBS}
        case = f"start with {users:,} users"
        results[case] = [starts(these)]
        figures = ("to healthy, s", "CPU, s", "idle RSS, MiB")
        show(case, results[case], figures, figures)
    with contextlib.ExitStack() as stack:
        targets = {}
        for name, hub in these.items():
            program = stack.enter_context(hub.start())
            program.until_healthy(hub.port)
            targets[name] = (f"127.0.0.1:{hub.hub_port}", program.family())
        for connections in CONNECTIONS:
            case = f"token check, {connections} connections"
            results[case] = checks(machine, options, these, targets, connections)
            show(case, results[case], ("cpu_us", "per_second", "p50_us"), ("cpu_us",))
    return results


def starts(hubs: dict) -> dict:
    """Starts each hub twice (A B B A) without a client; the means for each."""
    samples = {name: [] for name in hubs}
    for name in [*hubs, *reversed(hubs)]:
        with hubs[name].start() as program:
            seconds = program.until_healthy(hubs[name].port)
            cpu = program.cpu_seconds()
            time.sleep(SETTLED)
            figures = {"to healthy, s": seconds, "CPU, s": cpu, "idle RSS, MiB": program.rss_mib()}
            samples[name].append(figures)
    return {name: mean(both) for name, both in samples.items()}


def checks(machine: Machine, options, hubs: dict, targets: dict, connections: int) -> list[dict]:
    program = machine.build("jansky-bench-load")

    def check(name: str, seconds: float) -> dict:
        header = f"Authorization: token {hubs[name].token}"
        arguments = ["get", "--connections", str(connections), "--path", "/hub/api/user"]
        arguments += ["--header", header]
        return sample(machine, program, arguments, targets[name], seconds, cpu=None)

    for name in hubs:
        check(name, 1)
    rounds = []
    for _ in range(options.rounds):
        samples = {name: [] for name in hubs}
        for name in [*hubs, *reversed(hubs)]:
            samples[name].append(check(name, options.seconds))
        rounds.append({name: mean(both) for name, both in samples.items()})
    return rounds


def mean(samples: list[dict]) -> dict:
    return {figure: statistics.fmean(one[figure] for one in samples) for figure in samples[0]}


def show(case: str, rounds: list[dict], figures: tuple, compared: tuple) -> None:
    """Prints medians, and how many times less Jansky needs."""
    busy = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"\n### {case}\n\nMedians of {len(rounds)} rounds; load average at the end {busy}.\n")
    print("| target | " + " | ".join(figures) + " |\n|---|" + "---|" * len(figures))
    for name in rounds[0]:
        middle = (statistics.median(one[name][figure] for one in rounds) for figure in figures)
        print(f"| {name} | " + " | ".join(map(readable, middle)) + " |")
    print(f"\n{jansky_hub.NAME} / {jupyterhub.NAME}:", end="")
    for figure in compared:
        ratios = sorted(
            one[jupyterhub.NAME][figure] / one[jansky_hub.NAME][figure] for one in rounds
        )
        spread = f" ({ratios[0]:.0f} to {ratios[-1]:.0f})" if len(ratios) > 1 else ""
        print(f" {figure} **1/{statistics.median(ratios):.0f}**{spread}", end="")
    print(flush=True)


def readable(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
