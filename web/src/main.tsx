import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { LogLevel, setLogLevel } from 'livekit-client';
import { App } from './App';
import './style/base.css';
import './style/layout.css';
import './style/lobby.css';
import './style/stage.css';
import './style/roll.css';
import './style/side.css';
import './style/events.css';
import './style/preview.css';
import './style/tools.css';

setLogLevel(LogLevel.warn);

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
