import { ExternalE2EEKeyProvider, isE2EESupported, type E2EEOptions } from 'livekit-client';
import E2EEWorker from 'livekit-client/e2ee-worker?worker';

// Whether this browser can encrypt what it sends before it leaves: only pages on
// https or localhost have the means, and not every browser.
export type EncryptionSupport = 'supported' | 'insecure' | 'unsupported';

export function encryptionSupport(): EncryptionSupport {
  if (!window.isSecureContext) return 'insecure';
  return isE2EESupported() ? 'supported' : 'unsupported';
}

// supportText says what a browser lacks.
export const supportText: Record<EncryptionSupport, string> = {
  supported: 'The server passes on what it cannot read. Everyone needs the same passphrase.',
  insecure: 'Browsers encrypt only for pages on https or localhost. This address is neither.',
  unsupported: 'This browser cannot encrypt media end to end. Current Chrome, Edge, Safari and Firefox can.',
};

// Cipher encrypts and decrypts one room's media and data by a shared passphrase,
// in a worker of its own.
export class Cipher {
  readonly options: E2EEOptions;
  #keys = new ExternalE2EEKeyProvider();
  #worker = new E2EEWorker();

  constructor() {
    this.options = { keyProvider: this.#keys, worker: this.#worker };
  }

  // setPassphrase takes effect at once: for what is sent, and what is received.
  async setPassphrase(passphrase: string): Promise<void> {
    await this.#keys.setKey(passphrase);
  }

  close(): void {
    this.#worker.terminate();
  }
}
