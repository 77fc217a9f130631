// A worker of the LiveKit Agents framework for Python, in a process of its own.

import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { agentPython, repository, suite } from './paths.mjs';
import { freePort } from './server.mjs';
import { apiKey, apiSecret } from './tokens.mjs';
import { waitFor, within } from './wait.mjs';

export class AgentWorker {
  #process;
  #exited;

  /** Starts a worker; it has registered when this returns. */
  static start(server, agentName) {
    return AgentWorker.#run(server, agentName, [path.join(suite, 'agent', 'agent.py'), 'start']);
  }

  /** Starts the worker of examples/agent. It takes any free port for its health. */
  static startExample(server) {
    return AgentWorker.#run(server, 'greeter', [path.join(repository, 'examples', 'agent', 'greeter.py'), 'dev']);
  }

  static async #run(server, agentName, command) {
    const worker = new AgentWorker();
    worker.logFile = path.join(server.dir, `agent-${agentName || 'every-room'}-${Date.now()}.log`);
    let log = '';
    worker.#process = spawn(agentPython, command, {
      env: {
        ...process.env,
        LIVEKIT_URL: server.ws, LIVEKIT_API_KEY: apiKey, LIVEKIT_API_SECRET: apiSecret,
        AGENT_NAME: agentName, HEALTH_PORT: String(await freePort('tcp')),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // it has children, which end with its group
    });
    const file = createWriteStream(worker.logFile);
    for (const stream of [worker.#process.stdout, worker.#process.stderr]) {
      stream.on('data', (chunk) => { log += chunk; file.write(chunk); });
    }
    worker.log = () => log;
    worker.#exited = once(worker.#process, 'exit');
    await waitFor('the agent worker to register', () => {
      if (worker.#process.exitCode !== null) throw new Error(`it ended: ${log.slice(-2000)}`);
      return log.includes('registered worker');
    }, 60_000);
    return worker;
  }

  get pid() { return this.#process.pid; }

  /** How often it has registered. */
  registrations() { return this.log().split('registered worker').length - 1; }

  async stop(signal = 'SIGKILL') {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      process.kill(-this.#process.pid, signal);
    }
    await within('the agent worker to end', this.#exited, 30_000);
  }
}
