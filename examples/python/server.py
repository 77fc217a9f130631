"""Receives webhooks with aiohttp."""

import os

from aiohttp import web
from livekit import api

verifier = api.TokenVerifier(os.environ.get("API_KEY", "devkey"), os.environ.get("API_SECRET", "secret"))
receiver = api.WebhookReceiver(verifier)


async def webhook(request: web.Request) -> web.Response:
    body = (await request.read()).decode()
    try:
        event = receiver.receive(body, request.headers.get("Authorization", ""))
    except Exception as error:  # the library has no type of its own for it
        return web.Response(status=401, text=str(error))
    print(request.headers.get("Rollcall-Seq", ""), event.event, event.room.name, event.participant.identity, flush=True)
    return web.Response(status=204)


app = web.Application(client_max_size=16 << 20)
app.router.add_post("/webhook", webhook)

if __name__ == "__main__":
    web.run_app(app, host="localhost", port=int(os.environ.get("PORT", "3000")))
