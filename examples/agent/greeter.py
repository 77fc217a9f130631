"""Welcomes everybody who comes into a room to which it is dispatched."""

import asyncio

from livekit import rtc
from livekit.agents import AgentServer, JobContext, cli

server = AgentServer()


@server.rtc_session(agent_name="greeter")
async def greet(ctx: JobContext) -> None:
    await ctx.connect()
    sending: set[asyncio.Task] = set()

    def welcome(guest: rtc.RemoteParticipant) -> None:
        text = f"welcome to {ctx.room.name}, {guest.identity}"
        task = asyncio.ensure_future(ctx.room.local_participant.publish_data(text, topic="chat", destination_identities=[guest.identity]))
        sending.add(task)
        task.add_done_callback(sending.discard)

    ctx.room.on("participant_connected", welcome)
    for guest in ctx.room.remote_participants.values():
        welcome(guest)


if __name__ == "__main__":
    cli.run_app(server)
