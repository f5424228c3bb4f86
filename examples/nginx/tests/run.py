"""run.py BUILD [PART OF A NAME...]: runs the tests of the module and guests that were built in BUILD; all, or those whose names contain one of
the words. The last line is "nginx: N passed, M failed". LUCET_SOAK=n makes the long tests n times as long."""

import importlib
import os
import sys

import harness

harness.BUILD = os.path.abspath(sys.argv[1])
harness.WORK = os.environ.get("NGINX_TEST_WORK", f"{harness.BUILD}/test")
os.makedirs(harness.WORK, exist_ok=True)
for name in ("loading", "functions", "waiting", "fetching", "filters", "hostile", "signals", "life", "resources", "docs"):
    importlib.import_module(f"test_{name}")
sys.exit(harness.run(sys.argv[2:]))
