"""JupyterHub and oauthenticator from PyPI with an OpenID provider, on SQLite."""

import os
import pathlib
import subprocess

from machine import Machine
from peers import chp, jupyterhub
from program import Program

NAME = jupyterhub.NAME
OAUTHENTICATOR = "17.4.0"

CONFIGURATION = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.db_url = "sqlite:///{home}/jupyterhub.sqlite"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.log_level = "WARN"
c.JupyterHub.authenticator_class = "generic-oauth"
c.GenericOAuthenticator.client_id = "bench"
c.GenericOAuthenticator.client_secret = "secret"
c.GenericOAuthenticator.authorize_url = "{issuer}/authorize"
c.GenericOAuthenticator.token_url = "{issuer}/token"
c.GenericOAuthenticator.userdata_url = "{issuer}/userinfo"
c.GenericOAuthenticator.oauth_callback_url = "http://127.0.0.1:{port}/hub/oauth_callback"
c.GenericOAuthenticator.username_claim = "preferred_username"
c.GenericOAuthenticator.scope = ["openid"]
c.GenericOAuthenticator.allow_all = True
"""


def environment(machine: Machine) -> pathlib.Path:
    """The Python environment with JupyterHub and oauthenticator; made at the first call."""
    home = machine.cache / f"jupyterhub-{jupyterhub.VERSION}-oauthenticator-{OAUTHENTICATOR}"
    if not (home / "bin/jupyterhub").exists():
        subprocess.run(["python3", "-m", "venv", home], check=True)
        pip = [home / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        packages = [f"jupyterhub=={jupyterhub.VERSION}", f"oauthenticator=={OAUTHENTICATOR}"]
        subprocess.run([*pip, *packages], check=True)
    return home / "bin"


class Hub:
    """A JupyterHub at which people sign in. It runs in `with hub.start():`."""

    name = NAME
    path = "/hub/oauth_login"

    def __init__(self, machine: Machine, home: pathlib.Path, issuer: str):
        self.home = home
        self.programs = environment(machine)
        self.port, self.hub_port, api_port = (machine.free_port() for _ in range(3))
        configuration = CONFIGURATION.format(
            port=self.port,
            hub_port=self.hub_port,
            home=home,
            proxy=chp.program(machine),
            api_port=api_port,
            issuer=issuer,
        )
        (home / "jupyterhub_config.py").write_text(configuration)

    def start(self) -> Program:
        command = [str(self.programs / "jupyterhub"), "--config", "jupyterhub_config.py"]
        variables = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": "0" * 64}
        return Program(command, self.home / "log", cwd=self.home, env=variables)
