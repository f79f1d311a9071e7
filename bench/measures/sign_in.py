"""Sign-ins by the authorization code flow, and what a token check costs with many sessions.

A sign-in is what a browser without cookies does: to the hub, to the provider, which sends it back at
once, and to the hub again, which gets tokens, reads the claims and makes a session. It comes through the
public port, so that the proxy counts. The provider is the same process for all; it signs with ES256, so
that it is no bottleneck. A hundred people come again and again; each has been there before.
"""

import contextlib
import statistics
import subprocess

from machine import Machine
from measures.hub import mean, show
from measures.proxy import sample
from peers import jansky_sign_in, jupyterhub_sign_in

HUBS = (jansky_sign_in.Hub, jupyterhub_sign_in.Hub)
BROWSERS = (1, 8, 32)
PEOPLE = 100
SESSIONS = (10, 10_000)


def run(machine: Machine, options) -> dict:
    load = machine.build("jansky-bench-load")
    port = machine.free_port()
    address = f"127.0.0.1:{port}"
    machine.start(None, [load, "provider", address], port)
    results = {}
    with contextlib.ExitStack() as stack:
        targets = {}
        for kind in HUBS:
            home = machine.scratch / f"sign-in-{kind.name}"
            home.mkdir()
            hub = kind(machine, home, f"http://{address}")
            program = stack.enter_context(hub.start())
            program.until_healthy(hub.port)
            targets[kind.name] = hub, program

        def one(name: str, browsers: int, seconds: float) -> dict:
            hub, program = targets[name]
            arguments = ["sign-in", "--connections", str(browsers), "--path", hub.path]
            arguments += ["--provider", address, "--people", str(PEOPLE)]
            target = f"127.0.0.1:{hub.port}", program.family()
            return sample(machine, load, arguments, target, seconds, cpu=None)

        for name in targets:
            # Everybody comes for the first time; JupyterHub needs its while.
            one(name, 8, 20 if name == jupyterhub_sign_in.NAME else 5)
        for browsers in BROWSERS:
            case = f"sign-in, {browsers} browsers"
            results[case] = []
            for _ in range(options.rounds):
                samples = {name: [] for name in targets}
                for name in [*targets, *reversed(targets)]:
                    # JupyterHub does a few in a second.
                    samples[name].append(one(name, browsers, max(options.seconds, 2)))
                results[case].append({name: mean(both) for name, both in samples.items()})
            show(case, results[case], ("cpu_us", "per_second", "p50_us"), ("cpu_us",))
    results["token check with live sessions"] = sessions(machine, options, load, address)
    return results


def sessions(machine: Machine, options, load: str, provider: str) -> list[dict]:
    """A token check with few and with many live sessions, each of which is of a sign-in."""
    with contextlib.ExitStack() as stack:
        targets = {}
        for count in SESSIONS:
            home = machine.scratch / f"sessions-{count}"
            home.mkdir()
            hub = jansky_sign_in.Hub(machine, home, f"http://{provider}")
            program = stack.enter_context(hub.start())
            program.until_healthy(hub.port)
            command = [load, "load", "sign-in", f"127.0.0.1:{hub.port}", "--provider", provider]
            command += ["--path", hub.path, "--connections", "8", "--people", str(count)]
            command += ["--operations", str(count)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
            targets[count] = hub, program, hub.new_token()

        def check(count: int, seconds: float) -> dict:
            hub, program, token = targets[count]
            arguments = ["get", "--connections", "16", "--path", "/hub/api/user"]
            arguments += ["--header", f"Authorization: token {token}"]
            target = f"127.0.0.1:{hub.port}", program.family()
            return sample(machine, load, arguments, target, seconds, cpu=None)

        rounds = []
        for _ in range(options.rounds):
            samples = {count: [] for count in SESSIONS}
            for count in [*SESSIONS, *reversed(SESSIONS)]:
                samples[count].append(check(count, max(options.seconds, 1)))
            rounds.append({count: mean(both) for count, both in samples.items()})
    few, many = SESSIONS
    ratios = sorted(one[many]["cpu_us"] / one[few]["cpu_us"] for one in rounds)
    print(
        "\n### token check with live sessions\n\n| sessions | cpu_us | per_second |\n|---|---|---|"
    )
    for count in SESSIONS:
        cpu, rate = (
            statistics.median(one[count][figure] for one in rounds)
            for figure in ("cpu_us", "per_second")
        )
        print(f"| {count:,} | {cpu:.3g} | {rate:,.0f} |")
    print(
        f"\n{many:,} / {few}: cpu_us **{statistics.median(ratios):.2f}** "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )
    return rounds
