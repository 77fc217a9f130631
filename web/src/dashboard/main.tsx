import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import '../style/base.css';
import './style/shell.css';
import './style/parts.css';
import './style/table.css';

const root = document.getElementById('root');
if (!root) throw new Error('BUG: no element to draw into');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
