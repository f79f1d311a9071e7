"""JupyterHub with configurable-http-proxy, installed from PyPI and npm, on SQLite."""

import os
import pathlib
import subprocess

from programs import CACHE, Program, free_port

JUPYTERHUB = "6.1.1"
PROXY = "5.3.0"
FILL = pathlib.Path(__file__).resolve().parent / "jupyterhub_fill.py"


def install():
    """Installs both unless they are there; returns their commands and the Python."""
    python = CACHE / f"jupyterhub-{JUPYTERHUB}"
    hub = python / "bin" / "jupyterhub"
    if not hub.exists():
        subprocess.run(["python3", "-m", "venv", python], check=True)
        pip = [python / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"jupyterhub=={JUPYTERHUB}"], check=True)
    node = CACHE / f"configurable-http-proxy-{PROXY}"
    proxy = node / "node_modules" / ".bin" / "configurable-http-proxy"
    if not proxy.exists():
        node.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", node]
        subprocess.run([*npm, f"configurable-http-proxy@{PROXY}"], check=True)
    return hub, proxy, python / "bin" / "python"


class JupyterHub:
    """A JupyterHub with `count` users, of whom one has a token."""

    name = "jupyterhub"
    health = "/hub/health"

    def __init__(self, directory, count):
        self.directory = directory
        self.public_port, self.hub_port, api_port = free_port(), free_port(), free_port()
        self._command, proxy, python = install()
        database = directory / "jupyterhub.sqlite"
        (directory / "jupyterhub_config.py").write_text(
            f"c.JupyterHub.bind_url = 'http://127.0.0.1:{self.public_port}'\n"
            f"c.JupyterHub.hub_bind_url = 'http://127.0.0.1:{self.hub_port}'\n"
            f"c.JupyterHub.db_url = 'sqlite:///{database}'\n"
            f"c.JupyterHub.authenticator_class = 'dummy'\n"
            f"c.Authenticator.allow_all = True\n"
            f"c.ConfigurableHTTPProxy.command = ['{proxy}']\n"
            f"c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{api_port}'\n"
        )
        # A first start makes the database; the users are added while nobody uses it.
        with self.start() as program:
            program.until_healthy(self.public_port, self.health)
        fill = [python, FILL, f"sqlite:///{database}", str(count)]
        output = subprocess.run(fill, check=True, stdout=subprocess.PIPE, text=True).stdout
        self.token = output.split()[-1]

    def start(self):
        environment = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": "0" * 64}
        return Program(
            [self._command, "--config", self.directory / "jupyterhub_config.py"],
            self.directory / "log",
            cwd=self.directory,
            env=environment,
        )
