"""A stand-in for the agent: reads the one document and becomes the server."""

import json
import os
import sys

document = json.loads(sys.stdin.buffer.read())
environment = {**os.environ, **document["environment"]}
command = document["command"]
os.execvpe(command[0], command, environment)
