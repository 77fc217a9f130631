// Where things are; everything a run makes goes to the ignored out directory.

import { fileURLToPath } from 'node:url';
import path from 'node:path';

export const suite = fileURLToPath(new URL('..', import.meta.url));
export const repository = path.resolve(suite, '../..');
export const out = path.join(repository, 'out', 'sdk');

export const serverBinary = path.join(out, 'rollcall');
export const goParticipant = path.join(out, 'goparticipant');
export const rollParticipant = path.join(out, 'rollparticipant');
export const rustTarget = path.join(out, 'rust');
export const rustParticipant = path.join(rustTarget, 'debug', 'rustparticipant');
export const ingressCalls = path.join(out, 'ingresscalls');
export const webhookVerify = path.join(out, 'webhookverify');
export const screenshots = path.join(out, 'screenshots');
export const clientPage = path.join(out, 'page');
/** The Python that has the agents framework; scripts/test.sh makes it. */
export const agentPython = process.env.ROLLCALL_AGENT_PYTHON ?? path.join(out, 'agent', 'bin', 'python');
/** What every browser's microphone hears. */
export const tone = path.join(out, 'tone.wav');

/** What the Go participant sends. */
export const clips = { video: path.join(out, 'clip-vp8.ivf'), audio: path.join(out, 'clip-opus.ivf') };
/** What a participant on our own client says. */
export const toneFile = path.join(repository, 'client/mediafile/testdata/tone.ogg');
