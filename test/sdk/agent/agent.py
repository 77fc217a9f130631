"""An agent on the LiveKit Agents framework, as its users write one.

It joins the room of its job, shows the dispatch's metadata as an attribute, and
echoes the data that it is sent until somebody says bye.
"""

import asyncio
import os

from livekit import rtc
from livekit.agents import AgentServer, JobContext, JobRequest, cli

server = AgentServer(host="127.0.0.1", port=int(os.environ["HEALTH_PORT"]), num_idle_processes=1, load_fnc=lambda: 0.0)
running: set[asyncio.Task] = set()


async def wanted(req: JobRequest) -> None:
    await req.accept(identity="helper", name="Helper", attributes={"job": req.id})


@server.rtc_session(agent_name=os.environ["AGENT_NAME"], on_request=wanted)
async def entrypoint(ctx: JobContext) -> None:
    await ctx.connect()

    async def answer(packet: rtc.DataPacket) -> None:
        text = packet.data.decode()
        if text == "bye":
            ctx.shutdown("told to go")
        else:
            await ctx.room.local_participant.publish_data("echo " + text, topic="echo")

    def received(packet: rtc.DataPacket) -> None:
        task = asyncio.ensure_future(answer(packet))
        running.add(task)
        task.add_done_callback(running.discard)

    ctx.room.on("data_received", received)
    await ctx.room.local_participant.set_attributes({"metadata": ctx.job.metadata})


if __name__ == "__main__":
    cli.run_app(server)
