"""Jansky's hub and JupyterHub's: token checks, start and memory."""

import pathlib
import tempfile
import time

from jansky_hub import Jansky
from jupyterhub_hub import JupyterHub
from programs import load, median, others_busy

# A B B A: whatever drifts meets both alike.
ORDER = [Jansky, JupyterHub, JupyterHub, Jansky]
ROUNDS = 3
CONNECTIONS = [1, 16]
USERS = [10, 10_000]

# A program is idle when its start is this long ago, in seconds.
SETTLED = 2.0


def run():
    with tempfile.TemporaryDirectory(prefix="jansky-bench-") as scratch:
        hubs = {}
        for users in USERS:
            for kind in (Jansky, JupyterHub):
                directory = pathlib.Path(scratch) / f"{kind.name}-{users}"
                directory.mkdir()
                hubs[kind, users] = kind(directory, users)
        starts = measure_starts(hubs)
        checks = measure_checks(hubs[Jansky, USERS[-1]], hubs[JupyterHub, USERS[-1]])
    return report(checks, starts), {"checks": checks, "starts": starts}


def measure_starts(hubs):
    """Starts each hub anew, without a client."""
    samples = []
    for users in USERS:
        for kind in ORDER:
            hub, busy = hubs[kind, users], others_busy()
            with hub.start() as program:
                seconds = program.until_healthy(hub.public_port, hub.health)
                cpu = program.cpu_seconds()
                time.sleep(SETTLED)
                samples.append(
                    {
                        "hub": hub.name,
                        "users": users,
                        "start_s": seconds,
                        "start_cpu_s": cpu,
                        "rss_mib": program.rss_mib(),
                        "others_busy": busy,
                    }
                )
    return samples


def measure_checks(*hubs):
    """`GET /hub/api/user` with a user's own token, straight to the hub."""
    samples = []
    by_kind = {type(hub): hub for hub in hubs}
    with hubs[0].start() as first, hubs[1].start() as second:
        programs = dict(zip(by_kind, (first, second)))
        for kind, program in programs.items():
            program.until_healthy(by_kind[kind].public_port, Jansky.health)
            check(by_kind[kind], program, 16)  # both are warm when it counts
        for connections in CONNECTIONS:
            for kind in ORDER * ROUNDS:
                busy = others_busy()
                measured = check(by_kind[kind], programs[kind], connections)
                measured |= {"hub": kind.name, "connections": connections, "others_busy": busy}
                samples.append(measured)
    return samples


def check(hub, program, connections):
    header = f"Authorization: token {hub.token}"
    return load("get", hub.hub_port, program, connections, path="/hub/api/user", header=header)


def report(checks, starts):
    lines = [
        "| token checks | hub | per second | CPU µs each | p50 µs | CPU / JupyterHub |",
        "|---|---|---|---|---|---|",
    ]
    for connections in CONNECTIONS:
        of = {}
        for name in (Jansky.name, JupyterHub.name):
            of[name] = [s for s in checks if (s["hub"], s["connections"]) == (name, connections)]
        base = median(of[JupyterHub.name], "cpu_us")
        for name, samples in of.items():
            cpu = median(samples, "cpu_us")
            lines.append(
                f"| {connections} connections | {name} | {median(samples, 'per_second'):,.0f}"
                f" | {cpu:.1f} | {median(samples, 'p50_us'):,.0f} | {ratio(cpu, base)} |"
            )
    lines += [
        "",
        "| start | hub | to healthy, s | CPU s | idle RSS MiB | time / JupyterHub |",
        "|---|---|---|---|---|---|",
    ]
    for users in USERS:
        of = {}
        for name in (Jansky.name, JupyterHub.name):
            of[name] = [s for s in starts if (s["hub"], s["users"]) == (name, users)]
        base = median(of[JupyterHub.name], "start_s")
        for name, samples in of.items():
            seconds = median(samples, "start_s")
            lines.append(
                f"| {users:,} users | {name} | {seconds:.3f} | {median(samples, 'start_cpu_s'):.2f}"
                f" | {median(samples, 'rss_mib'):.0f} | {ratio(seconds, base)} |"
            )
    busy = sorted(sample["others_busy"] for sample in checks + starts)
    lines += ["", f"CPU in use by others: median {busy[len(busy) // 2]:.0%}, most {busy[-1]:.0%}."]
    return lines


def ratio(value, base):
    return "1" if value == base else f"1/{base / value:.0f}"
