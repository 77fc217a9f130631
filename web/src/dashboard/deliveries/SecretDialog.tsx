import { CopyButton } from '../../ui/CopyButton';
import { CopyIcon } from '../../ui/icons';
import { Dialog } from '../ui/Dialog';

// SecretDialog shows a secret, which the server tells this once.
export function SecretDialog({ secret, until, onClose }: { secret: string; until?: string; onClose: () => void }) {
  return (
    <Dialog title="The endpoint’s secret" action="I have it" onSubmit={() => Promise.resolve()} onClose={onClose}>
      <p>Put it into your receiver now: it is shown this once. It verifies the Standard Webhooks signatures; LiveKit’s receivers go on with the API secret.</p>
      <p className="secret" data-testid="secret">
        <code>{secret}</code>
        <CopyButton text={secret} label="Copy the secret" icon={<CopyIcon />} />
      </p>
      {until && <p>The one before signs along with it until {until}.</p>}
    </Dialog>
  );
}
