"""The command vtfilter of the package starts the program, and says how to get it."""

import os
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = "#!{}\nfrom vidtwin.console import main\nimport sys\nsys.exit(main())\n"


class Console(unittest.TestCase):
    def run_with(self, *folders):
        with tempfile.TemporaryDirectory() as own:
            script = self.program(own, SCRIPT.format(sys.executable))
            path = os.pathsep.join([own, *folders])
            return subprocess.run([script, "a b", "-c"], env={**os.environ, "PATH": path},
                                  capture_output=True, text=True)

    def program(self, folder, text):
        path = os.path.join(folder, "vtfilter")
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, stat.S_IRWXU)
        return path

    def test_it_becomes_the_program(self):
        with tempfile.TemporaryDirectory() as other, tempfile.TemporaryDirectory() as third:
            self.program(other, SCRIPT.format(sys.executable))  # another environment's script is passed over
            self.program(third, '#!/bin/sh\nprintf "%s|" "$@"; exit 7\n')
            done = self.run_with(other, third)
        self.assertEqual((done.returncode, done.stdout), (7, "a b|-c|"), done.stderr)

    def test_it_says_how_to_get_the_program(self):
        with tempfile.TemporaryDirectory() as empty:
            done = self.run_with(empty)
        self.assertEqual(done.returncode, 1)
        self.assertIn("make install", done.stderr)


if __name__ == "__main__":
    unittest.main()
