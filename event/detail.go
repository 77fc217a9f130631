package event

import "time"

// The types in this file are what events beyond LiveKit's carry in the field
// "rollcall" of their bodies. Times are RFC 3339 in UTC, durations milliseconds.

// Lost says how a connection was lost.
type Lost struct {
	// Cause is "signal" or "transport".
	Cause string `json:"cause"`
}

// Changed says who changed something, and for attributes which.
type Changed struct {
	By Actor `json:"by"`
	// Keys are the attributes that were set or deleted.
	Keys []string `json:"keys,omitempty"`
}

// Speech is one segment of speaking.
type Speech struct {
	StartedAt  time.Time `json:"startedAt"`
	DurationMS int64     `json:"durationMs"`
	// Peak is the loudest level, from 0 to 1.
	Peak float32 `json:"peak"`
}

// Quality is how a connection is judged.
type Quality struct {
	// Level and Previous are "excellent", "good", "poor" or "lost"; Previous is
	// empty at first.
	Level    string `json:"level"`
	Previous string `json:"previous,omitempty"`
	// Score is a mean opinion score from 1 to 4.41; 0 while the connection is lost.
	Score float32 `json:"score"`
}

// Failure says why a subscription failed.
type Failure struct {
	Error string `json:"error"`
	// Publisher is the identity of the track's publisher.
	Publisher string `json:"publisher"`
}

// Data describes what the API sent.
type Data struct {
	// Kind is "reliable" or "lossy".
	Kind  string `json:"kind"`
	Topic string `json:"topic,omitempty"`
	Bytes int    `json:"bytes"`
	// Destinations are identities; empty means everybody.
	Destinations []string `json:"destinations,omitempty"`
}

// Summary is what a participant's session was like.
type Summary struct {
	JoinedAt   time.Time `json:"joinedAt"`
	LeftAt     time.Time `json:"leftAt"`
	DurationMS int64     `json:"durationMs"`
	// ConnectMS is from the accepted join to the transport being up.
	ConnectMS int64 `json:"connectMs"`
	// FirstMediaMS is from the accepted join to the first track that it could
	// send or receive; -1 if there was none.
	FirstMediaMS int64 `json:"firstMediaMs"`
	TalkMS       int64 `json:"talkMs"`
	TalkSegments int   `json:"talkSegments"`
	Published    int   `json:"tracksPublished"`
	Subscribed   int   `json:"tracksSubscribed"`
	Resumes      int   `json:"resumes"`
	// Quality is how long the connection was of each level.
	Quality map[string]int64 `json:"qualityMs"`
	// Reason is that of participant_left, By who caused it.
	Reason string `json:"reason"`
	By     Actor  `json:"by"`
}

// RoomTotals is what a room session was like.
type RoomTotals struct {
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	DurationMS int64     `json:"durationMs"`
	// Sessions counts participant sessions, Identities who they were, Peak the
	// most at one time.
	Sessions   int   `json:"sessions"`
	Identities int   `json:"identities"`
	Aborted    int   `json:"aborted"`
	Peak       int   `json:"peak"`
	Published  int   `json:"tracksPublished"`
	TalkMS     int64 `json:"talkMs"`
	// ParticipantMS is the time of all participants together, Quality how much of it
	// their connections were of each level.
	ParticipantMS int64            `json:"participantMs"`
	Quality       map[string]int64 `json:"qualityMs"`
	Resumes       int              `json:"resumes"`
	// FirstMediaMS is the mean of the participants' own, of those that had media; -1
	// if none had.
	FirstMediaMS int64 `json:"firstMediaMs"`
	// Reason is that of room_finished, By who caused it.
	Reason string `json:"reason"`
	By     Actor  `json:"by"`
}
