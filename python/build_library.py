"""Puts libvidtwin and the bundled model into the wheel.

The library is the one in the folder that VIDTWIN_STAGE names, laid out like a PREFIX (`make wheel` has one
made for many systems), else the checkout's, which `make library` builds here for this system.
"""

import glob
import os
import subprocess

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Library(BuildHookInterface):
    def initialize(self, version, build_data):
        if version == "editable":
            raise SystemExit(
                "vidtwin: expected a build that copies the library in, found --editable; set "
                "VIDTWIN_LIBRARY and PYTHONPATH instead (docs/PYTHON.md)")
        checkout = os.path.dirname(self.root)
        stage = os.environ.get("VIDTWIN_STAGE")
        if not stage:
            if not os.path.exists(os.path.join(checkout, "Sources", "CVidTwin")):
                raise SystemExit("vidtwin: expected the folder python of vidtwin's checkout, found it alone")
            subprocess.run(["make", "--no-print-directory", "-C", checkout, "library"], check=True)
            stage = os.path.join(checkout, ".build-library", "stage")
        library = os.path.realpath(os.path.join(stage, "lib", "libvidtwin.so.1"))
        files = {library: "vidtwin/lib/libvidtwin.so.1"}
        for name in ("config.yaml", "model.safetensors", "CARD.md"):
            for path in glob.glob(os.path.join(checkout, "models", "*", name)):
                model = os.path.basename(os.path.dirname(path))
                files[path] = f"vidtwin/share/vidtwin/models/{model}/{name}"
        files[os.path.join(checkout, "LICENSE")] = "vidtwin/licenses/LICENSE"
        for path in glob.glob(os.path.join(stage, "licenses", "*")):
            files[path] = f"vidtwin/licenses/{os.path.basename(path)}"
        build_data["force_include"].update(files)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{os.uname().machine}"
