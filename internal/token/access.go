package token

import "fmt"

// The Can methods return nil when the token permits, and else an error that
// says which grant is missing.

// CanJoin says whether the bearer may join a room, and which one: the one
// named by the grant, whatever was asked for, else the one asked for. Its
// errors are ErrGrant, ErrNoIdentity and ErrNoRoom.
func (c *Claims) CanJoin(asked string) (room string, err error) {
	if c.Video == nil || !c.Video.RoomJoin {
		return "", missing("roomJoin")
	}
	if c.Identity == "" {
		return "", ErrNoIdentity
	}
	if c.Video.Room != "" {
		return c.Video.Room, nil
	}
	if asked == "" {
		return "", ErrNoRoom
	}
	return asked, nil
}

// CanCreateRoom says whether the bearer may create and delete rooms.
func (c *Claims) CanCreateRoom() error {
	if !c.adminOf("") && (c.Video == nil || !c.Video.RoomCreate) {
		return missing("roomCreate")
	}
	return nil
}

// CanListRooms says whether the bearer may list rooms.
func (c *Claims) CanListRooms() error {
	if !c.adminOf("") && (c.Video == nil || !c.Video.RoomList) {
		return missing("roomList")
	}
	return nil
}

// CanRecord says whether the bearer may record rooms: all of them, for that grant
// names none.
func (c *Claims) CanRecord() error {
	if !c.adminOf("") && (c.Video == nil || !c.Video.RoomRecord) {
		return missing("roomRecord")
	}
	return nil
}

// CanAdminIngress says whether the bearer may make, see, change and delete ingress
// endpoints, and read their stream keys: of all rooms, for that grant names none.
func (c *Claims) CanAdminIngress() error {
	if !c.adminOf("") && (c.Video == nil || !c.Video.IngressAdmin) {
		return missing("ingressAdmin")
	}
	return nil
}

// CanAdmin says whether the bearer may administer room, which has to be the
// one that the grant names, unless it is rollcall.admin for all.
func (c *Claims) CanAdmin(room string) error {
	if room != "" && c.adminOf(room) {
		return nil
	}
	if c.Video == nil || !c.Video.RoomAdmin {
		return missing("roomAdmin")
	}
	if room == "" {
		return ErrNoRoom
	}
	if c.Video.Room != room {
		return fmt.Errorf("%w: its grant is for room %.64q, not %.64q", ErrGrant, c.Video.Room, room)
	}
	return nil
}

// CanAdminBoth says whether the bearer may bring a participant of room to
// another: it administers the one and names the other as its destination.
func (c *Claims) CanAdminBoth(room, destination string) error {
	if err := c.CanAdmin(room); err != nil {
		return err
	}
	if c.adminOf("") {
		return nil
	}
	if c.Video == nil || c.Video.DestinationRoom == "" {
		return missing("destinationRoom")
	}
	if c.Video.DestinationRoom != destination {
		return fmt.Errorf("%w: its grant is for destination %.64q, not %.64q", ErrGrant, c.Video.DestinationRoom, destination)
	}
	return nil
}

// adminOf says whether the grant rollcall.admin is for room, or for all rooms when
// room is empty.
func (c *Claims) adminOf(room string) bool {
	own := c.Rollcall
	return own != nil && own.Admin && (own.Room == "" || room != "" && own.Room == room)
}

// CanAdminAny says whether the bearer may administer room, or all rooms when room
// is empty.
func (c *Claims) CanAdminAny(room string) error {
	if room != "" {
		return c.CanAdmin(room)
	}
	if !c.adminOf("") {
		return fmt.Errorf("%w: grant rollcall.admin is missing", ErrGrant)
	}
	return nil
}

// OnlyRoom is the one room that the token is about, "" if it is about all or its
// grants name none.
func (c *Claims) OnlyRoom() string {
	switch {
	case c.Rollcall != nil && (c.Rollcall.Events || c.Rollcall.Admin || c.Rollcall.Endpoints):
		return c.Rollcall.Room
	case c.Video != nil && c.Video.RoomAdmin && !c.Video.RoomList:
		return c.Video.Room
	}
	return ""
}

// CanBeAgent says whether the bearer may connect as a worker, to which agent
// jobs of all rooms are given.
func (c *Claims) CanBeAgent() error {
	if c.Video == nil || !c.Video.Agent {
		return missing("agent")
	}
	return nil
}

// CanReadEvents says whether the bearer may read the events of room, or of
// all rooms when room is empty.
func (c *Claims) CanReadEvents(room string) error {
	if own := c.Rollcall; own != nil && own.Events {
		switch {
		case own.Room == "" || own.Room == room:
			return nil
		case room == "":
			return fmt.Errorf("%w: its grant rollcall.events is for room %.64q, not for all", ErrGrant, own.Room)
		default:
			return fmt.Errorf("%w: its grant rollcall.events is for room %.64q, not %.64q", ErrGrant, own.Room, room)
		}
	}
	if room == "" {
		return fmt.Errorf("%w: grant rollcall.events is missing", ErrGrant)
	}
	if err := c.CanAdmin(room); err != nil {
		return fmt.Errorf("%w (nor has it rollcall.events)", err)
	}
	return nil
}

// CanManageEndpoints says whether the bearer may see and change where events
// are delivered.
func (c *Claims) CanManageEndpoints() error {
	switch own := c.Rollcall; {
	case own == nil || !own.Endpoints:
		return fmt.Errorf("%w: grant rollcall.endpoints is missing", ErrGrant)
	case own.Room != "":
		return fmt.Errorf("%w: rollcall.endpoints concerns all rooms, and its grant is for room %.64q", ErrGrant, own.Room)
	}
	return nil
}

// CanForget says whether the bearer may take a person out of past events of room,
// or of all when room is empty.
func (c *Claims) CanForget(room string) error {
	switch own := c.Rollcall; {
	case own == nil || !own.Forget:
		return fmt.Errorf("%w: grant rollcall.forget is missing", ErrGrant)
	case own.Room != "" && room == "":
		return fmt.Errorf("%w: its grant rollcall.forget is for room %.64q, not for all", ErrGrant, own.Room)
	case own.Room != "" && own.Room != room:
		return fmt.Errorf("%w: its grant rollcall.forget is for room %.64q, not %.64q", ErrGrant, own.Room, room)
	}
	return nil
}

// EventsRoom is the one room to which reading events is limited, "" if the
// bearer may read those of all rooms.
func (c *Claims) EventsRoom() string {
	switch {
	case c.Rollcall != nil && (c.Rollcall.Events || c.Rollcall.Admin):
		return c.Rollcall.Room
	case c.Video != nil && c.Video.RoomAdmin:
		return c.Video.Room
	}
	return ""
}

// missing is a grant of LiveKit's that the token would need. Most of those who ask only
// want to know that, and not what it is called.
type missing string

// Error implements error.
func (m missing) Error() string {
	return ErrGrant.Error() + ": grant video." + string(m) + " is missing"
}

// Unwrap returns ErrGrant.
func (missing) Unwrap() error { return ErrGrant }
