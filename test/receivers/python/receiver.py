"""Verifies the vectors with the libraries of Python: "livekit" or "standard" is
the first argument, the file of vectors the second."""

import base64
import json
import os
import sys

from livekit import api
from standardwebhooks import Webhook


def livekit(body: str, headers: dict) -> tuple[str, str]:
    verifier = api.TokenVerifier(os.environ["API_KEY"], os.environ["API_SECRET"])
    event = api.WebhookReceiver(verifier).receive(body, headers.get("authorization", ""))
    return event.event, event.id


def standard(body: str, headers: dict) -> tuple[str, str]:
    event = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, headers)
    return event["event"], event["id"]


verify = {"livekit": livekit, "standard": standard}[sys.argv[1]]
with open(sys.argv[2], encoding="utf-8") as lines:
    for line in lines:
        vector = json.loads(line)
        said = {"name": vector["name"], "accepted": False}
        try:
            body = base64.b64decode(vector["body"]).decode()
            said["event"], said["id"] = verify(body, vector["headers"])
            said["accepted"] = True
        except Exception as error:  # whatever a library raises is its verdict
            said["error"] = repr(error)
        print(json.dumps(said))
