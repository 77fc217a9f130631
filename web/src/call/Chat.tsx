import { useEffect, useLayoutEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import { useChat, useConnectionState, useRoomContext, type ReceivedChatMessage } from '@livekit/components-react';
import { ConnectionState } from 'livekit-client';
import { SendIcon } from '../ui/icons';
import { displayName } from './names';

interface ChatProps {
  // Another tab of the side panel is shown.
  hidden: boolean;
  // The reader has it before their eyes: what comes is read.
  visible: boolean;
  onUnread: (count: number) => void;
}

// Chat is the room's talk in writing, as LiveKit's own components send it: text
// streams of topic lk.chat.
export function Chat({ hidden, visible, onUnread }: ChatProps) {
  const room = useRoomContext();
  const state = useConnectionState(room);
  // Without options: a new object of them each time would begin a new chat each time.
  const { chatMessages, send, isSending } = useChat();
  const [draft, setDraft] = useState('');
  const [failed, setFailed] = useState(false);
  const [read, setRead] = useState(0);
  const list = useRef<HTMLDivElement>(null);

  const count = chatMessages.length;
  useEffect(() => {
    if (visible) setRead(count);
    onUnread(visible ? 0 : count - read);
  }, [visible, count, read, onUnread]);
  useLayoutEffect(() => {
    const element = list.current;
    if (element && visible) element.scrollTop = element.scrollHeight;
  }, [count, visible]);

  const connected = state === ConnectionState.Connected;
  const submit = async (event?: FormEvent) => {
    event?.preventDefault();
    const message = draft.trim();
    if (message === '' || isSending || !connected) return;
    try {
      await send(message);
      setDraft('');
      setFailed(false);
    } catch {
      setFailed(true);
    }
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Not while an input method composes a character.
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void submit();
    }
  };

  return (
    <div className="chat" hidden={hidden}>
      <div className="messages" ref={list} role="log" aria-label="Messages" aria-live="polite" tabIndex={0}>
        {count === 0 && <p className="empty">No messages yet. They go to everyone in the room now, and are not kept.</p>}
        <ol>
          {chatMessages.map((message, i) => (
            <Message key={`${message.from?.identity ?? ''}/${message.id ?? i}`} message={message} before={chatMessages[i - 1]} />
          ))}
        </ol>
      </div>
      {failed && (
        <p className="chat-failed" role="alert" data-testid="chat-failed">
          The message was not sent. Try again.
        </p>
      )}
      <form className="compose" onSubmit={(event) => void submit(event)}>
        <textarea
          rows={1}
          aria-label="Message"
          placeholder="Message everyone"
          data-testid="chat-input"
          value={draft}
          maxLength={4000}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button type="submit" className="button primary icon-only" data-testid="chat-send" aria-label="Send" disabled={!connected || isSending || draft.trim() === ''}>
          <SendIcon />
        </button>
      </form>
    </div>
  );
}

function Message({ message, before }: { message: ReceivedChatMessage; before: ReceivedChatMessage | undefined }) {
  const own = message.from?.isLocal === true;
  const at = new Date(message.timestamp);
  const follows = before?.from?.identity === message.from?.identity && message.timestamp - (before?.timestamp ?? 0) < 120_000;
  return (
    <li className="message" data-testid="chat-message" data-from={message.from?.identity ?? ''} data-own={own} data-follows={follows}>
      {!follows && (
        <p className="message-head">
          <strong>{own ? 'You' : message.from ? displayName(message.from) : 'Someone'}</strong>
          <time dateTime={at.toISOString()}>{at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}</time>
        </p>
      )}
      <p className="message-text">{message.message}</p>
    </li>
  );
}
