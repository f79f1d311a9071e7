"""JupyterHub from PyPI with configurable-http-proxy from npm, on SQLite."""

import os
import pathlib
import subprocess

from machine import Machine
from peers import chp
from program import Program

NAME = "JupyterHub"
VERSION = "6.1.1"

CONFIGURATION = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.db_url = "{database}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
"""

# Adds the rows that the REST API would add, but all of them in one transaction, and prints a token
# of the first user.
FILL = """
import sys
from jupyterhub import orm

db = orm.new_session_factory(sys.argv[1])()
role = orm.Role.find(db, "user")
for number in range(int(sys.argv[2])):
    user = orm.User(name=f"user-{number}")
    db.add(user)
    user.roles.append(role)
    db.add(orm.Spawner(name="", user=user))
db.commit()
print(orm.User.find(db, "user-0").new_api_token(note="benchmark"))
"""


def environment(machine: Machine) -> pathlib.Path:
    """The Python environment with nothing but JupyterHub; made at the first call."""
    home = machine.cache / f"jupyterhub-{VERSION}"
    if not (home / "bin/jupyterhub").exists():
        subprocess.run(["python3", "-m", "venv", home], check=True)
        pip = [home / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"jupyterhub=={VERSION}"], check=True)
    return home / "bin"


class Hub:
    """A JupyterHub with `users` users, one of whom has a token."""

    name = NAME

    def __init__(self, machine: Machine, home: pathlib.Path, users: int):
        self.home = home
        self.programs = environment(machine)
        self.port, self.hub_port, api_port = (machine.free_port() for _ in range(3))
        database = f"sqlite:///{home}/jupyterhub.sqlite"
        configuration = CONFIGURATION.format(
            port=self.port,
            hub_port=self.hub_port,
            database=database,
            proxy=chp.program(machine),
            api_port=api_port,
        )
        (home / "jupyterhub_config.py").write_text(configuration)
        # The first start makes the database; nobody uses it while the users are added.
        with self.start() as program:
            program.until_healthy(self.port)
        fill = [self.programs / "python", "-c", FILL, database, str(users)]
        done = subprocess.run(fill, check=True, stdout=subprocess.PIPE, text=True)
        self.token = done.stdout.split()[-1]

    def start(self) -> Program:
        command = [str(self.programs / "jupyterhub"), "--config", "jupyterhub_config.py"]
        variables = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": "0" * 64}
        log = self.home / "log"
        return Program(command, log, cwd=self.home, env=variables)
