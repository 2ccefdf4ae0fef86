"""Judges a simulator's journal, read from standard input: each of so many callers was redirected
once, to one number that rang, with no conversation cut and no error heard."""

import json
import sys

expected = int(sys.argv[1])
callers = json.load(sys.stdin)["callers"]
wrong = []
waits = []
for caller in callers:
    heard = [entry["heard"] for entry in caller["entries"]]
    if not (
        heard.count("redirected") == heard.count("dialled") == 1
        and "conversation_cut" not in heard
        and "application_error" not in heard
    ):
        wrong.append(f"{caller['call']}: {', '.join(heard)}")
print(f"{len(callers)} callers, {len(wrong)} of them not redirected once")
print("\n".join(wrong[:5]))
sys.exit(len(callers) != expected or bool(wrong))
