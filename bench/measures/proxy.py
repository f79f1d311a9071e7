"""Proxied small GETs and WebSocket echoes: CPU time of the proxy for each, and how many a second.

The proxy has one CPU for itself; the load generator and the server behind share the other.
"""

import json
import pathlib
import statistics
import subprocess

from machine import LOAD_CPU, Machine
from peers import chp, jansky, nginx

CASES = {
    "GET of 128 bytes, 64 connections": ["get", "--connections", "64"],
    "WebSocket echo of 64 bytes, 200 sockets": ["echo", "--connections", "200"],
}
# The connections of the curve: from one person who clicks to a site where everybody looks at once.
CURVE = (1, 16, 64, 256, 512, 1024, 2048, 4000)
FIGURES = ("cpu_us", "per_second", "p50_us")


def run(machine: Machine, options) -> dict:
    program = machine.build("jansky-bench-load")
    port = machine.free_port()
    backend = f"127.0.0.1:{port}"
    machine.start(LOAD_CPU, [program, "backend", backend], port)

    peers = [(jansky.NAME, jansky), (nginx.NAME, nginx), (chp.NAME, chp)]
    if options.control:
        peers.append(("nginx@2", nginx))
    targets = {}
    for name, peer in peers:
        port = machine.free_port()
        targets[name] = (f"127.0.0.1:{port}", peer.start(machine, port, backend))

    results = {"curve": curve(machine, program, options, targets)}
    for case, arguments in CASES.items():
        # Node compiles what is hot only after some ten thousand requests.
        sample(machine, program, arguments, targets[chp.NAME], seconds=3)
        # Each round goes there and back (A B B A), so that a drift hits all alike.
        rounds = []
        for _ in range(options.rounds):
            samples = {name: [] for name in targets}
            for name in [*targets, *reversed(targets)]:
                samples[name].append(
                    sample(machine, program, arguments, targets[name], options.seconds)
                )
            rounds.append({name: mean(both) for name, both in samples.items()})
        results[case] = rounds
        show(case, rounds)
    return results


def curve(machine: Machine, program: str, options, targets: dict) -> dict:
    """CPU time of a GET by the number of connections, beside nginx."""
    names = (jansky.NAME, nginx.NAME)
    points = {}
    print("\n### GET of 128 bytes by connections\n")
    print(f"| connections | {' | '.join(names)} | ratio (least, most) |\n|---|---|---|---|")
    for connections in CURVE:
        arguments = ["get", "--connections", str(connections)]
        rounds = points[connections] = []
        for _ in range(options.rounds):
            samples = {name: [] for name in names}
            for name in [*names, *reversed(names)]:
                target, seconds = targets[name], max(options.seconds, 1)
                one = sample(machine, program, arguments, target, seconds)
                samples[name].append(one)
            rounds.append({name: mean(both) for name, both in samples.items()})
        middle = [statistics.median(one[name]["cpu_us"] for one in rounds) for name in names]
        shown = " | ".join(f"{value:.1f} us" for value in middle)
        print(f"| {connections:,} | {shown} | {ratio(rounds, *names)} |", flush=True)
    return points


def sample(
    machine: Machine,
    program: str,
    arguments: list[str],
    target: tuple[str, list[int]],
    seconds: float,
    cpu: int | None = LOAD_CPU,
) -> dict:
    """Runs the load generator against an address; CPU time is that of the processes beside it."""
    address, pids = target
    command = [program, "load", arguments[0], address, *arguments[1:], "--measure", str(seconds)]
    command += ["--warm-up", "0.2", "--pids", ",".join(map(str, pids))]
    done = subprocess.run(
        machine.pinned(cpu, command), check=True, stdout=subprocess.PIPE, timeout=60
    )
    return json.loads(done.stdout)


def mean(samples: list[dict]) -> dict:
    return {figure: statistics.fmean(one[figure] for one in samples) for figure in FIGURES}


def show(case: str, rounds: list[dict]) -> None:
    """Prints medians, and the CPU time of each target as a multiple of the others'."""
    busy = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"\n### {case}\n\nMedians of {len(rounds)} rounds; load average at the end {busy}.\n")
    names = list(rounds[0])
    others = [name for name in names if name != jansky.NAME]
    print("| target | CPU per operation | operations/s | p50 |", end="")
    print("".join(f" CPU / {name} (least, most) |" for name in others))
    print("|---|---|---|---|" + "---|" * len(others))
    for name in names:
        cpu, rate, latency = (
            statistics.median(one[name][figure] for one in rounds) for figure in FIGURES
        )
        line = f"| {name} | {cpu:.1f} us | {rate:,.0f} | {latency:,.0f} us |"
        for other in others:
            line += f" {'' if name == other else ratio(rounds, name, other)} |"
        print(line, flush=True)


def ratio(rounds: list[dict], name: str, other: str) -> str:
    """The CPU time of one as a multiple of another's: median, least and most of the rounds."""
    ratios = sorted(one[name]["cpu_us"] / one[other]["cpu_us"] for one in rounds)
    return f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f}, {ratios[-1]:.2f})"
