import { Component, type ErrorInfo, type ReactNode } from 'react';
import { Problem } from '../ui/states';

// Boundary shows an error of a page in its place, so that the rest goes on. A file
// that is not there any more, after the server was updated, is such an error.
export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <Problem error={this.state.error} onRetry={() => location.reload()} retry="Reload the page" />;
  }
}
