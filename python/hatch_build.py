"""Adds the part for JupyterLab (lab/src) to the wheel.

It is JavaScript as browsers run it, so nothing is compiled, and neither Node nor npm is needed. Its files get a
directory that is named after their content: a browser that keeps them for long never keeps old ones.
"""

import hashlib
import json
import pathlib
import tempfile

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "share/jupyter/labextensions/jansky-lab"


class LabExtension(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        lab = pathlib.Path(self.root, "lab")
        sources = sorted(path for path in (lab / "src").iterdir() if path.suffix in (".js", ".css"))
        digest = hashlib.sha256()
        for source in sources:
            digest.update(f"{source.name}\n{source.stat().st_size}\n".encode())
            digest.update(source.read_bytes())
        static = f"static/{digest.hexdigest()[:16]}"

        # What JupyterLab reads, which is what npm reads and where the page finds the rest.
        package = json.loads((lab / "package.json").read_text())
        package["jupyterlab"]["_build"] = {
            "load": f"{static}/entry.js",
            "extension": "./extension",
            "style": "./style",
        }
        self.work = tempfile.TemporaryDirectory(prefix="jansky-lab-")
        described = pathlib.Path(self.work.name, "package.json")
        described.write_text(json.dumps(package, indent=2) + "\n")

        shared = build_data["shared_data"]
        shared[str(described)] = f"{PLACE}/package.json"
        for source in sources:
            shared[str(source)] = f"{PLACE}/{static}/{source.name}"

    def finalize(self, version: str, build_data: dict, artifact_path: str) -> None:
        self.work.cleanup()
