import { useLocation } from 'wouter';
import { RoomList } from './RoomList';
import { RoomPage } from './RoomPage';
import './rooms.css';

export default function Rooms() {
  // The router decodes an address in part, after which a name with a slash or a
  // percent sign cannot be told from another: so it is read where it is whole.
  useLocation();
  const [room, who] = location.pathname.split('/').slice(3).map(decode);
  if (room === undefined || room === '') return <RoomList />;
  return <RoomPage key={room} name={room} who={who} />;
}

// decode reads a part of the address; one that was written by hand may not be
// encoded.
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
