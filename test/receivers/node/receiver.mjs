// Verifies the vectors with the libraries of Node: "livekit" or "standard" is
// the first argument, the file of vectors the second.
import { readFileSync } from 'node:fs';
import { WebhookReceiver } from 'livekit-server-sdk';
import { Webhook } from 'standardwebhooks';

const { API_KEY, API_SECRET, WEBHOOK_SECRET } = process.env;
const [library, path] = process.argv.slice(2);

const libraries = {
  livekit: (body, headers) => new WebhookReceiver(API_KEY, API_SECRET).receive(body, headers.authorization),
  standard: (body, headers) => new Webhook(WEBHOOK_SECRET).verify(body, headers),
};

for (const line of readFileSync(path, 'utf8').trim().split('\n')) {
  const { name, headers, body } = JSON.parse(line);
  const said = { name, accepted: false };
  try {
    const { event, id } = await libraries[library](Buffer.from(body, 'base64').toString('utf8'), headers);
    Object.assign(said, { accepted: true, event, id });
  } catch (error) {
    said.error = String(error);
  }
  console.log(JSON.stringify(said));
}
