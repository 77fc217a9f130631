// A participant on the SDK for Rust, as it is shipped compiled.

import { execFileSync } from 'node:child_process';
import { FfiParticipant } from './ffiparticipant.mjs';
import { rustParticipant } from './paths.mjs';

export class RustParticipant extends FfiParticipant {
  static language = 'Rust';
  static command = [rustParticipant];

  /** Which livekit-ffi the library says that it is. */
  static version() { return execFileSync(rustParticipant, ['version'], { encoding: 'utf8' }).trim(); }
}
