import express from 'express';
import { WebhookReceiver } from 'livekit-server-sdk';

const { API_KEY = 'devkey', API_SECRET = 'secret', PORT = '3000' } = process.env;
const receiver = new WebhookReceiver(API_KEY, API_SECRET);
const app = express();

// The body has to stay as it was sent: express.json() would parse it, and what
// is written again has another digest.
app.post('/webhook', express.text({ type: () => true, limit: '16mb' }), async (req, res) => {
  let event;
  try {
    event = await receiver.receive(req.body, req.get('Authorization'));
  } catch (error) {
    res.status(401).send(String(error));
    return;
  }
  console.log(req.get('Rollcall-Seq'), event.event, event.room?.name ?? '', event.participant?.identity ?? '');
  res.sendStatus(204);
});

app.listen(Number(PORT), 'localhost', () => console.log(`receiving at http://localhost:${PORT}/webhook`));
