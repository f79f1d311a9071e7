"""What queryparser says of queries: a query in base 64 a line, `yes` or `no` and a reason a line."""

import base64
import sys

from queryparser.adql import ADQLQueryTranslator

# Whatever goes wrong in it is its answer.
for line in sys.stdin:
    query = base64.b64decode(line).decode()
    try:
        ADQLQueryTranslator(query).to_postgresql()
        print("yes")
    except Exception as problem:
        print("no:", " ".join(f"{type(problem).__name__} {problem}".split()))
