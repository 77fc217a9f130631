package metrics

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/agent"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/histogram"
	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/rtmp"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/signal"
	"github.com/rollcall-rtc/rollcall/internal/turn"
)

// Sources are the parts of a server. All are required but Relay.
type Sources struct {
	Version string
	Started time.Time
	// Ready says why the server takes no new clients.
	Ready func() error

	Rooms    Rooms
	Media    Media
	Signal   Signal
	Agents   Agents
	Log      Log
	Delivery Delivery
	Egress   Egress
	Ingress  Ingress
	RTMP     RTMP
	Relay    Relay // nil if there is none
	// Transcoders are children of Ingress.
	Transcoders Transcoders
}

// Rooms is room.Registry.
type Rooms interface{ Stats() room.Stats }

// Media is peer.Factory.
type Media interface{ Traffic() peer.Traffic }

// Signal is signal.Handler.
type Signal interface{ Stats() signal.Stats }

// Agents is agent.Dispatcher.
type Agents interface{ Stats() agent.Stats }

// Log is eventlog.Log.
type Log interface {
	Stats() eventlog.Stats
	CommitTimes() histogram.Snapshot
	DiskUsage() uint64
	First() uint64
	Last() uint64
}

// Delivery is delivery.Engine.
type Delivery interface {
	Stats() []delivery.EndpointStats
	ScopedTotals() delivery.Totals
	AttemptTimes() histogram.Snapshot
}

// Egress is egress.Service.
type Egress interface{ Stats() egress.Stats }

// Ingress is ingress.Service.
type Ingress interface{ Stats() ingress.Stats }

// RTMP is rtmp.Server, or several.
type RTMP interface{ Stats() rtmp.Stats }

// Transcoders is ffmpeg.Children.
type Transcoders interface {
	Stats() (running int, cpu time.Duration)
}

// Relay is turn.Server.
type Relay interface{ Stats() turn.Stats }
