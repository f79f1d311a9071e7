"""Stands in for the agent and the server of a job: reads the document, says where it listens, answers.

It writes the document beside its log, in a file of which the test knows. With LIFE_SECONDS in the
environment it ends by itself.
"""

import http.server
import json
import os
import signal
import sys
import threading

document = json.load(sys.stdin)
with open(os.path.join(os.environ["HOME"], "told"), "w") as file:
    json.dump(document, file)
print("the stand-in begins", flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
announce = document["listen"]["announce"]
with open(announce + ".new", "w") as file:
    json.dump({"port": server.server_port}, file)
os.rename(announce + ".new", announce)
life = document["environment"].get("LIFE_SECONDS")
if life:
    threading.Timer(float(life), os._exit, [0]).start()
server.serve_forever()
