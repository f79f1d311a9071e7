"""What a change costs: two builds of Jansky beside each other, by the CPU time of an operation.

Each is a directory with the programs `jansky`, `proxy` and `broker` (`--before` and `--after`). Both run at
the same time and are asked in turn, so what else the machine does hits both alike.
"""

import contextlib
import json
import pathlib
import statistics
import subprocess

from machine import LOAD_CPU, Machine
from measures.proxy import CASES, mean, ratio, sample
from peers import jansky, jansky_hub, jansky_sign_in

# Where the many who signed in before are: a sign-in reads and writes what is there of the person.
PEOPLE = 100
SIDES = ("before", "after")


def run(machine: Machine, options) -> dict:
    sides = {name: machine.with_programs(getattr(options, name)) for name in SIDES}
    load = machine.build("jansky-bench-load")
    results = {}
    for case, rounds in measured(machine, sides, load, options):
        results[case] = rounds
        middle = [statistics.median(one[name]["cpu_us"] for one in rounds) for name in SIDES]
        shown = " | ".join(f"{value:.1f} us" for value in middle)
        print(f"| {case} | {shown} | {ratio(rounds, 'after', 'before')} |", flush=True)
    busy = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"\nMedians of {options.rounds} rounds; load average at the end {busy}.")
    return results


def measured(machine: Machine, sides: dict, load: str, options):
    """One case after the other with its rounds."""
    print("\n### CPU time of an operation\n\n| case | before | after | ratio (least, most) |")
    print("|---|---|---|---|")
    port = machine.free_port()
    backend = f"127.0.0.1:{port}"
    machine.start(LOAD_CPU, [load, "backend", backend], port)
    targets = {}
    for name, side in sides.items():
        port = machine.free_port()
        targets[name] = (f"127.0.0.1:{port}", jansky.start(side, port, backend))
    for case, arguments in CASES.items():
        yield (
            case,
            turns(
                options,
                lambda name, arguments=arguments: sample(
                    machine, load, arguments, targets[name], options.seconds
                ),
            ),
        )

    with contextlib.ExitStack() as stack:
        hubs = {}
        for name, side in sides.items():
            home = machine.scratch / f"change-{name}"
            home.mkdir()
            hub = jansky_hub.Hub(side, home, 1000)
            program = stack.enter_context(hub.start())
            program.until_healthy(hub.port)
            hubs[name] = hub, program

        def check(name: str) -> dict:
            hub, program = hubs[name]
            arguments = ["get", "--connections", "16", "--path", "/hub/api/user"]
            arguments += ["--header", f"Authorization: token {hub.token}"]
            target = f"127.0.0.1:{hub.port}", program.family()
            return sample(machine, load, arguments, target, options.seconds, cpu=None)

        yield "token check, 16 connections", turns(options, check)

    port = machine.free_port()
    provider = f"127.0.0.1:{port}"
    machine.start(None, [load, "provider", provider], port)
    with contextlib.ExitStack() as stack:
        hubs = {}
        for name, side in sides.items():
            home = machine.scratch / f"change-sign-in-{name}"
            home.mkdir()
            hub = jansky_sign_in.Hub(side, home, f"http://{provider}")
            program = stack.enter_context(hub.start())
            program.until_healthy(hub.port)
            hubs[name] = hub, program

        def sign_in(name: str) -> dict:
            hub, program = hubs[name]
            arguments = ["sign-in", "--connections", "8", "--path", hub.path]
            arguments += ["--provider", provider, "--people", str(PEOPLE)]
            target = f"127.0.0.1:{hub.port}", program.family()
            return sample(machine, load, arguments, target, max(options.seconds, 2), cpu=None)

        yield "sign-in, 8 browsers", turns(options, sign_in)

    programs = {
        name: side.build("jansky-web", "--example", "broker") for name, side in sides.items()
    }

    def broker(name: str) -> dict:
        done = subprocess.run([programs[name]], check=True, stdout=subprocess.PIPE)
        figures = json.loads(done.stdout.splitlines()[-1])
        return {
            "cpu_us": figures["cpu_us_per_token"],
            "per_second": figures["tokens_per_second"],
            "p50_us": 0,
        }

    yield "token of the broker, client included", turns(options, broker)


def turns(options, one) -> list[dict]:
    """Rounds there and back (A B B A); the first sample of each is only there to warm up."""
    for name in SIDES:
        one(name)
    rounds = []
    for _ in range(options.rounds):
        samples = {name: [] for name in SIDES}
        for name in [*SIDES, *reversed(SIDES)]:
            samples[name].append(one(name))
        rounds.append({name: mean(both) for name, both in samples.items()})
    return rounds
