import { Route, Switch } from 'wouter';
import { RecordingList } from './RecordingList';
import { RecordingPage } from './RecordingPage';
import './recordings.css';

// Recordings is the page of what is recorded: all of it, and one to watch.
export default function Recordings() {
  return (
    <Switch>
      <Route path="/">
        <RecordingList />
      </Route>
      <Route path="/:id">{({ id }) => <RecordingPage key={id} id={id} />}</Route>
    </Switch>
  );
}
