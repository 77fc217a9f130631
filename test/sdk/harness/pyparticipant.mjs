// A participant on the SDK for Python.

import path from 'node:path';
import { FfiParticipant } from './ffiparticipant.mjs';
import { agentPython, suite } from './paths.mjs';

export class PyParticipant extends FfiParticipant {
  static language = 'Python';
  static command = [agentPython, path.join(suite, 'pyparticipant', 'participant.py')];

  answerCalls(method) { return this.order('answerCalls', method); }
  call(identity, method, payload) { return this.order('call', identity, method, payload); }
  listen(topic) { return this.order('listen', topic); }
  sendText(text, topic) { return this.order('sendText', text, topic); }
  sendBytes(size, topic) { return this.order('sendBytes', size, topic); }
}
