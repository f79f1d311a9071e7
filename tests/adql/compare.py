"""Compares our verdicts on queries with those of two other parsers.

`crates/adql/tests/data` says which queries we accept and which we refuse; the tests of the crate hold it to that.
Names mean nothing here: a query with a meaning is one that we accept.
What both others accept we accept, and what both refuse we refuse. Where we do not, `exceptions.slt` says why; an
exception that is none any more is an error, too.

    compare.py ADQL-JAR
"""

import base64
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE / "../../crates/adql/tests/data"


def records(path):
    """Yields kind, query and answer of each record of a file."""
    lines = iter(path.read_text(encoding="utf-8").split("\n"))
    for line in lines:
        if line == "" or line.startswith("#"):
            continue
        query, answer = [], []
        for part, end in ((query, "----"), (answer, "")):
            for inner in lines:
                if inner == end:
                    break
                part.append(inner)
        yield line, unescaped("\n".join(query)), "\n".join(answer)


def unescaped(text):
    """Puts in the characters that nobody could see."""
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), text)


def ask(command, queries):
    """Asks another parser: for each query whether it accepts it, and what it says."""
    lines = "".join(base64.b64encode(query.encode()).decode() + "\n" for query in queries)
    result = subprocess.run(
        command,
        input=lines,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    answers = result.stdout.splitlines()
    if result.returncode != 0 or len(answers) != len(queries):
        sys.exit(f"{command} answered {len(answers)} of {len(queries)} queries\n{result.stderr}")
    return [(answer.startswith("yes"), answer) for answer in answers]


def main():
    jar = sys.argv[1]
    ours = {}
    for name in ("accepted.slt", "refused.slt"):
        for kind, query, _ in records(DATA / name):
            ours[query] = kind == "accept"
    for _, query, _ in records(DATA / "plans.slt"):
        ours[query] = True
    for _, condition, _ in records(DATA / "cones.slt"):
        ours[f"SELECT id FROM cat.sources WHERE {condition}"] = True
    exceptions = {query: kind for kind, query, _ in records(HERE / "exceptions.slt")}
    queries = list(ours)
    java = ask(["java", "-cp", jar, str(HERE / "Verdicts.java")], queries)
    python = ask([sys.executable, str(HERE / "verdicts.py")], queries)

    wrong, agreed = [], 0
    for query, (one, said), (other, also_said) in zip(queries, java, python, strict=True):
        differs = one == other and one != ours[query]
        verdict = "accept" if ours[query] else "refuse"
        if differs and exceptions.pop(query, None) != verdict:
            wrong.append(f"{query}\n  we {verdict} it; adql-java: {said}; queryparser: {also_said}")
        agreed += one == other == ours[query]
    wrong += [f"{query}\n  is no exception (any more)" for query in exceptions]
    if wrong:
        print("\n\n".join(wrong))
    print(f"{len(queries)} queries: {agreed} judged alike by all three, {len(wrong)} wrongly")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
