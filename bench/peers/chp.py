"""configurable-http-proxy from npm, the proxy of JupyterHub."""

import subprocess

from machine import PEER_CPU, Machine

NAME = "CHP"
VERSION = "5.3.0"


def program(machine: Machine) -> str:
    home = machine.cache / f"configurable-http-proxy-{VERSION}"
    script = home / "node_modules/.bin/configurable-http-proxy"
    if not script.exists():
        package = f"configurable-http-proxy@{VERSION}"
        subprocess.run(["npm", "install", "--silent", "--prefix", home, package], check=True)
    return str(script)


def start(machine: Machine, port: int, backend: str) -> list[int]:
    command = [program(machine), "--ip", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    api = ["--api-ip", "127.0.0.1", "--api-port", str(machine.free_port())]
    pid = machine.start(PEER_CPU, [*command, *api, "--default-target", f"http://{backend}"], port)
    return machine.with_children(pid)
