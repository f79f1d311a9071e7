"""What makes the environment of the demo's servers: pip's settings, and the progress."""

import importlib.util
import os
import pty
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "demo/environment.py"
spec = importlib.util.spec_from_file_location("environment", PROGRAM)
environment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(environment)

# What uv says where there is no terminal.
SAID_BY_UV = """\
Using Python 3.11.2 environment at: env
Resolved 129 packages in 1.71s
Downloading numpy (16.1MiB)
Downloading pip (512.0KiB)
Downloading jupyterlab (16.5MiB)
 Downloaded pip
 Downloaded numpy
"""


def test_uv_gets_the_settings_that_pip_has():
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": "https://index.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://a.example/simple https://b.example/simple",
            "PIP_FIND_LINKS": "/one /two",
            "PIP_CERT": "/etc/our.pem",
            "PIP_NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert environment.settings_from_pip(listing) == {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/one,/two",
        "SSL_CERT_FILE": "/etc/our.pem",
    }


def test_a_variable_goes_before_a_file_and_an_installation_before_everything():
    listing = "\n".join(
        [
            ":env:.cert='/of/variable'",
            "global.cert='/of/file'",
            "global.index-url='https://all.example/'",
            "install.index-url='https://installation.example/'",
        ]
    )

    assert environment.settings_from_pip(listing) == {
        "SSL_CERT_FILE": "/of/variable",
        "UV_DEFAULT_INDEX": "https://installation.example/",
    }


def test_the_progress_says_what_is_left():
    downloads = environment.Downloads()
    for line in SAID_BY_UV.splitlines():
        downloads.read(line)

    assert str(downloads) == "16 of 33 MiB left"


def progress(terminal: bool) -> str:
    """What is shown of four steps of a progress, on a terminal or in a pipe."""
    program = (
        "import environment; it = environment.Progress(); it.show('a'); it.show('b', '2 left'); it.show('b', '1 left');"
        "it.end('done')"
    )
    command = [sys.executable, "-c", program]
    variables = {
        **os.environ,
        "PYTHONPATH": str(PROGRAM.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "80",
    }
    if not terminal:
        return subprocess.run(
            command, env=variables, capture_output=True, text=True, check=True
        ).stdout
    ours, theirs = pty.openpty()
    subprocess.run(command, env=variables, stdout=theirs, check=True)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as shown:
        return shown.read(4096).decode()


def test_a_terminal_has_one_line_that_moves():
    assert progress(terminal=True).split("\r\033[K") == [
        "",
        "Preparing JupyterLab: a (0 s)",
        "Preparing JupyterLab: b, 2 left (0 s)",
        "Preparing JupyterLab: b, 1 left (0 s)",
        "done (0 s)\r\n",
    ]


def test_elsewhere_each_step_has_a_line():
    assert progress(terminal=False).splitlines() == [
        "Preparing JupyterLab: a",
        "Preparing JupyterLab: b, 2 left",
        "done (0 s)",
    ]
