import { createRoot } from 'react-dom/client';
import { Call } from './Call.jsx';

// index.html#url=ws://localhost:7880&token=…; an application asks its own backend
// for the token.
const { url = 'ws://localhost:7880', token } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

createRoot(document.getElementById('root')).render(
  token ? <Call serverUrl={url} token={token} /> : <p>There is no token in the address.</p>,
);
