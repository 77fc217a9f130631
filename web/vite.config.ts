import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';
// @ts-expect-error: plain JavaScript, shared with the scripts.
import { record, recordName } from './scripts/digest.mjs';

const root = import.meta.dirname;

// writeRecord leaves in the output what it was built from; see scripts/digest.mjs.
function writeRecord(): Plugin {
  let outDir = '';
  return {
    name: 'rollcall-record',
    apply: 'build',
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      writeFileSync(join(outDir, recordName), record(root, outDir));
    },
  };
}

// The server that `npm run dev` passes everything but the page on to.
const server = process.env['ROLLCALL_URL'] ?? 'http://127.0.0.1:7880';

export default defineConfig({
  plugins: [react(), writeRecord()],
  build: {
    // Everything is a file of its own: the page's policy allows no data: scripts or fonts.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      // The page of a call, and the dashboard: what they share is a file of its own.
      input: { index: join(root, 'index.html'), dashboard: join(root, 'dashboard/index.html') },
      output: {
        codeSplitting: {
          groups: [
            // The media SDK changes with its version only, and stays cached between our changes.
            { name: 'livekit', priority: 1, test: /node_modules[\\/](@livekit|livekit-client|rxjs|@bufbuild|webrtc-adapter)/ },
            { name: 'tanstack', priority: 2, test: /node_modules[\\/](@tanstack|wouter|regexparam|mitt|use-sync-external-store)[\\/]/ },
            { name: 'react', priority: 3, test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/ },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      '/dev': server,
      '/session': server,
      '/stats': server,
      '/twirp': server,
      '/log': server,
      '/history': server,
      '/rooms': server,
      '/endpoints': server,
      '/recoveries': server,
      '/events': server,
      '/rtc': { target: server, ws: true },
    },
  },
});
