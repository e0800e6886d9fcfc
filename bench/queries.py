"""How many statements a page asks: `python -m bench.queries EMAIL PATH…` prints them as JSON."""

import json
import sys

import django


def main(email: str, paths: list[str]) -> None:
    """Ask every page twice as this person, and count the second time."""
    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from portico.accounts.models import User

    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    client.force_login(User.objects.get(email=email))
    counts = {}
    for path in paths:
        client.get(path)
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        counts[path] = len(asked)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
