"""Stands in for the agent beside a server: it only keeps what it was told, for the test to act on.

The test itself speaks the broker's protocol then, right or wrong. It ends with the server.
"""

import json
import os
import sys
import time

document = sys.stdin.buffer.read()
# The end of the document may come before the end of the stream, so the last brace counts.
told = json.loads(document[: document.rindex(b"}") + 1])
kept = told["socket"] + ".document"
with open(kept + ".part", "wb", opener=lambda p, f: os.open(p, f, 0o600)) as file:
    file.write(json.dumps(told).encode())
os.rename(kept + ".part", kept)
parent = told.get("parent") or os.getppid()
while os.path.exists(f"/proc/{parent}"):
    time.sleep(0.2)
