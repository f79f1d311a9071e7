"""nginx of Debian, as a fair peer: one worker, kept connections, no access log, the same headers."""

import pathlib
import shutil
import subprocess

from machine import PEER_CPU, Machine

NAME = "nginx"

CONFIGURATION = """
worker_processes 1;
daemon off;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream backend {{ server {backend}; keepalive 8192; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port;
    }}
  }}
}}
"""


def program(machine: Machine) -> str:
    """The installed nginx, or Debian's package unpacked into the cache."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found:
        return found
    home = machine.cache / "nginx"
    unpacked = home / "usr/sbin/nginx"
    if not unpacked.exists():
        home.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "download", "nginx"], cwd=home, check=True)
        package = next(home.glob("nginx_*.deb"))
        subprocess.run(["dpkg", "-x", package, home], check=True)
    return str(unpacked)


def start(machine: Machine, port: int, backend: str) -> list[int]:
    home = pathlib.Path(machine.scratch / f"nginx-{port}")
    home.mkdir()
    configuration = home / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(home=home, port=port, backend=backend))
    command = [program(machine), "-p", str(home), "-e", str(home / "error.log")]
    pid = machine.start(PEER_CPU, [*command, "-c", str(configuration)], port)
    return machine.with_children(pid)
