import { Route, Switch } from 'wouter';
import { EndpointPage } from './EndpointPage';
import { Endpoints } from './Endpoints';
import { Why } from './Why';
import './deliveries.css';

// Deliveries is the page of what was delivered: all endpoints, one of them, and
// what became of an event at each.
export default function Deliveries() {
  return (
    <Switch>
      <Route path="/">
        <Endpoints />
      </Route>
      <Route path="/event/:event">{({ event }) => <Why key={event} event={event} />}</Route>
      <Route path="/:id">{({ id }) => <EndpointPage key={id} id={id} />}</Route>
    </Switch>
  );
}
