package delivery

import (
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// Attempt is one request as it went, or one that was not answered.
type Attempt struct {
	// At is when it began.
	At time.Time `json:"at"`
	// Seq is the event; First to Seq in a batch.
	Seq   uint64 `json:"seq"`
	First uint64 `json:"first,omitempty"`
	// Number counts the attempts at this event, from 1.
	Number int `json:"number"`
	// Status is the HTTP status, 0 when none came; Error then says why.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
	// Latency is from the beginning to the response headers, or to the failure.
	Latency time.Duration `json:"latency"`
	// Response is the beginning of the response's body, of failures only.
	Response string `json:"response,omitempty"`
	// Late says that the event was abandoned before.
	Late bool `json:"late,omitempty"`
	// Requested says that somebody asked for it: a test, a redelivery.
	Requested bool `json:"requested,omitempty"`
}

// Delivered says that the receiver accepted the event.
func (a *Attempt) Delivered() bool { return a.Status >= 200 && a.Status <= 299 }

// Explanation says what became of one event, at each endpoint.
type Explanation struct {
	Event     event.Record       `json:"event"`
	Endpoints []EndpointDelivery `json:"endpoints"`
}

// Fate is where an event is at one endpoint.
type Fate string

// The fates.
const (
	// Filtered events are not for the endpoint.
	Filtered Fate = "filtered"
	// Unread events are after what the endpoint has read of the log so far.
	Unread Fate = "unread"
	// Waiting events are in line behind another one of their lane.
	Waiting Fate = "waiting"
	// Pending events are next in their lane: being sent, or due at Next.
	Pending Fate = "pending"
	// Delivered events were accepted.
	Delivered Fate = "delivered"
	// Abandoned events were refused alone and are retried in the background.
	Abandoned Fate = "abandoned"
	// Dead events were abandoned, and are not tried again by themselves; or were
	// dismissed.
	Dead Fate = "dead"
	// Before events happened before the endpoint was there.
	Before Fate = "before"
)

// EndpointDelivery is one event at one endpoint.
type EndpointDelivery struct {
	Endpoint string `json:"endpoint"`
	URL      string `json:"url"`
	Fate     Fate   `json:"fate"`
	// Because says it in a sentence, for people.
	Because string `json:"because"`
	// Behind is the event that a waiting one waits for.
	Behind uint64 `json:"behind,omitempty"`
	// Next is when it is tried again; zero when that depends on others.
	Next time.Time `json:"next,omitzero"`
	// Attempts are those that are still kept, in order.
	Attempts []Attempt `json:"attempts,omitempty"`
}

// DeadLetter is an event that an endpoint refused while it accepted others.
type DeadLetter struct {
	Endpoint string     `json:"endpoint"`
	Seq      uint64     `json:"seq"`
	EventID  string     `json:"eventId"`
	Name     event.Name `json:"name"`
	Room     string     `json:"room,omitempty"`
	// Time is when the event happened, Since when it was first refused,
	// AbandonedAt when it was given up as the head of its lane.
	Time        time.Time `json:"time"`
	Since       time.Time `json:"since"`
	AbandonedAt time.Time `json:"abandonedAt"`
	Attempts    int       `json:"attempts"`
	// Reason is the last failure.
	Reason string `json:"reason"`
	// Next is when it is tried again; zero when it is not, by itself.
	Next time.Time `json:"next,omitzero"`
}

// RecoverRequest asks to send what the log holds once more.
type RecoverRequest struct {
	// Endpoint signs and receives, unless ToURL is set.
	Endpoint string `json:"endpoint"`
	// After and Through are the range of sequence numbers: above After, up to
	// Through, or to what the log holds now if that is 0.
	After   uint64 `json:"after"`
	Through uint64 `json:"through,omitempty"`
	// Since and Until narrow it by time; zero means no limit.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Filter is used in place of the endpoint's if it is set.
	Filter *Filter `json:"filter,omitempty"`
	// Rate is how many requests a second are made at most: 100.
	Rate float64 `json:"rate,omitempty"`
	// ToURL receives in place of the endpoint's URL, under the guard.
	ToURL string `json:"toUrl,omitempty"`
}

// Recovery is how such a request is doing.
type Recovery struct {
	ID      string         `json:"id"`
	Request RecoverRequest `json:"request"`
	// Position is the last sequence number that is done.
	Position uint64 `json:"position"`
	Sent     uint64 `json:"sent"`
	Skipped  uint64 `json:"skipped"` // not in the filter or the times
	Failures uint64 `json:"failures"`
	// State is running, done, cancelled or failed.
	State     RecoveryState `json:"state"`
	LastError string        `json:"lastError,omitempty"`
	Started   time.Time     `json:"started"`
	Ended     time.Time     `json:"ended,omitzero"`
}

// RecoveryState is where a recovery is.
type RecoveryState string

// The states of a recovery.
const (
	RecoveryRunning   RecoveryState = "running"
	RecoveryDone      RecoveryState = "done"
	RecoveryCancelled RecoveryState = "cancelled"
	RecoveryFailed    RecoveryState = "failed"
)
