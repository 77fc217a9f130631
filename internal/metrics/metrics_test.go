package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

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

// figures are the sources of a server on which everything happened.
type figures struct{ endpoints []delivery.EndpointStats }

func times() histogram.Snapshot {
	h := histogram.New(time.Millisecond, time.Second)
	h.Observe(time.Millisecond)
	h.Observe(time.Minute)
	return h.Snapshot()
}

type (
	rooms      struct{}
	media      struct{}
	signals    struct{}
	agents     struct{}
	relay      struct{}
	recordings struct{}
	streams    struct{}
	pushed     struct{}
	encoding   struct{}
	log        struct{}
)

func (rooms) Stats() room.Stats {
	return room.Stats{
		Rooms: 1, Participants: 2, AudioTracks: 3, VideoTracks: 4, Accepted: 5, Joined: 6,
		Left: map[string]uint64{"client_initiated": 7}, Aborted: map[string]uint64{"join_failure": 8},
		JoinTime: times(), FirstMedia: times(),
	}
}

func (media) Traffic() peer.Traffic {
	t := peer.Traffic{Connections: 9, Reminders: 37, Paced: peer.Paced{Connections: 41, Waiting: 42, Packets: 43}, Routes: map[peer.Route]int{{Protocol: "udp", Candidate: "host"}: 9}}
	t.Video.Out = peer.Flow{Packets: 10, Bytes: 11, Lost: 12, NACKs: 13, Resent: 14, PLIs: 15}
	return t
}

func (recordings) Stats() egress.Stats {
	return egress.Stats{
		Running: 38, Ended: map[livekit.EgressStatus]uint64{livekit.EgressStatus_EGRESS_LIMIT_REACHED: 39}, Missing: 1500 * time.Millisecond, Dropped: 40,
	}
}

func (streams) Stats() ingress.Stats {
	return ingress.Stats{
		Inputs: []ingress.InputStats{{
			Input: "rtmp", Endpoints: 25, Buffering: 26, Publishing: 27, Begun: 28,
			Ended: map[ingress.Outcome]uint64{ingress.OutcomeFailed: 29}, AudioBytes: 30, VideoBytes: 31,
		}},
		Dropped: map[ingress.DropReason]uint64{ingress.DropCatchUp: 32}, FirstFrame: times(),
	}
}
func (pushed) Stats() rtmp.Stats             { return rtmp.Stats{Open: 33, Accepted: 34, WrongKeys: 35} }
func (encoding) Stats() (int, time.Duration) { return 36, 1500 * time.Millisecond }

func (signals) Stats() signal.Stats { return signal.Stats{Connections: 16, Refused: 17} }
func (agents) Stats() agent.Stats   { return agent.Stats{Workers: 18} }
func (relay) Stats() turn.Stats     { return turn.Stats{Sessions: 19, BytesUp: 20} }
func (log) Stats() eventlog.Stats {
	return eventlog.Stats{Appended: 21, WaitTime: 1500 * time.Millisecond}
}
func (log) CommitTimes() histogram.Snapshot       { return times() }
func (log) DiskUsage() uint64                     { return 22 }
func (log) First() uint64                         { return 23 }
func (log) Last() uint64                          { return 24 }
func (f figures) Stats() []delivery.EndpointStats { return f.endpoints }
func (figures) ScopedTotals() delivery.Totals {
	return delivery.Totals{Successes: 1000, Failures: 2000}
}
func (figures) AttemptTimes() histogram.Snapshot { return times() }

func sources(endpoints ...delivery.EndpointStats) Sources {
	return Sources{
		Version: "v1", Started: time.UnixMilli(1500), Ready: func() error { return nil },
		Rooms: rooms{}, Media: media{}, Signal: signals{}, Agents: agents{}, Log: log{}, Relay: relay{},
		Egress: recordings{}, Ingress: streams{}, RTMP: pushed{}, Transcoders: encoding{},
		Delivery: figures{endpoints},
	}
}

func scrape(t *testing.T, s Sources) string {
	t.Helper()
	w := httptest.NewRecorder()
	NewHandler(s, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func want(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestMetricsAreNamedAsPrometheusAdvises(t *testing.T) {
	text := scrape(t, sources(delivery.EndpointStats{ID: "crm", Source: delivery.SourceConfig}))
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestEachSourceIsShown(t *testing.T) {
	text := scrape(t, sources(delivery.EndpointStats{
		ID: "crm", Source: delivery.SourceConfig, State: delivery.Open, Lag: 30, Successes: 31, Failures: 32, DeadLetters: 33, OldestPending: time.Minute,
	}))
	want(t, text,
		"rollcall_ready 1", "rollcall_start_time_seconds 1.5",
		"rollcall_rooms 1", "rollcall_participants 2", `rollcall_tracks{kind="audio"} 3`, `rollcall_tracks{kind="video"} 4`,
		"rollcall_joins_accepted_total 5", "rollcall_joins_completed_total 6",
		`rollcall_participants_left_total{reason="client_initiated"} 7`, `rollcall_joins_aborted_total{reason="join_failure"} 8`,
		`rollcall_join_duration_seconds_bucket{le="0.001"} 1`, `rollcall_join_duration_seconds_bucket{le="1"} 1`,
		`rollcall_join_duration_seconds_bucket{le="+Inf"} 2`, "rollcall_join_duration_seconds_sum 60.001",
		"rollcall_peer_connections 9", "rollcall_offer_reminders_total 37",
		"rollcall_paced_connections 41", "rollcall_paced_waiting_packets 42", "rollcall_paced_packets_total 43",
		`rollcall_ice_connections{candidate="host",protocol="udp"} 9`,
		`rollcall_media_packets_total{direction="out",kind="video"} 10`, `rollcall_media_payload_bytes_total{direction="out",kind="video"} 11`,
		`rollcall_media_lost_packets_total{direction="out",kind="video"} 12`, `rollcall_media_nacks_total{direction="out",kind="video"} 13`,
		`rollcall_media_resent_packets_total{direction="out",kind="video"} 14`, `rollcall_media_plis_total{direction="out",kind="video"} 15`,
		`rollcall_media_packets_total{direction="in",kind="audio"} 0`,
		"rollcall_signal_connections 16", "rollcall_signal_refusals_total 17", "rollcall_agent_workers 18",
		`rollcall_ingress_endpoints{input="rtmp"} 25`,
		`rollcall_ingress_sessions{input="rtmp",state="buffering"} 26`, `rollcall_ingress_sessions{input="rtmp",state="publishing"} 27`,
		`rollcall_ingress_sessions_begun_total{input="rtmp"} 28`, `rollcall_ingress_sessions_ended_total{input="rtmp",outcome="failed"} 29`,
		`rollcall_ingress_received_bytes_total{input="rtmp",kind="audio"} 30`, `rollcall_ingress_received_bytes_total{input="rtmp",kind="video"} 31`,
		`rollcall_ingress_dropped_frames_total{reason="catch_up"} 32`, "rollcall_ingress_first_frame_duration_seconds_count 2",
		"rollcall_rtmp_connections 33", "rollcall_rtmp_connections_accepted_total 34", `rollcall_rtmp_refusals_total{reason="wrong_key"} 35`,
		"rollcall_ingress_transcoders 36", "rollcall_ingress_transcoder_cpu_seconds_total 1.5",
		"rollcall_egress_running 38", `rollcall_egress_ended_total{status="limit_reached"} 39`,
		"rollcall_egress_missing_seconds_total 1.5", "rollcall_egress_dropped_pictures_total 40",
		"rollcall_turn_sessions 19", `rollcall_turn_bytes_total{direction="in"} 20`,
		"rollcall_events_appended_total 21", "rollcall_event_log_append_wait_seconds_total 1.5",
		"rollcall_event_log_disk_bytes 22", "rollcall_event_log_first_seq 23", "rollcall_event_log_last_seq 24",
		`rollcall_webhook_pending_events{endpoint="crm"} 30`,
		`rollcall_webhook_attempts_total{endpoint="crm",outcome="accepted"} 31`, `rollcall_webhook_attempts_total{endpoint="crm",outcome="failed"} 32`,
		`rollcall_webhook_dead_letters{endpoint="crm"} 33`, `rollcall_webhook_oldest_pending_seconds{endpoint="crm"} 60`,
		`rollcall_webhook_endpoint_state{endpoint="crm",state="open"} 1`, `rollcall_webhook_endpoint_state{endpoint="crm",state="closed"} 0`,
	)
	if !strings.Contains(text, "\nprocess_cpu_seconds_total ") || !strings.Contains(text, "\ngo_goroutines ") {
		t.Error("the process is missing")
	}
}

func TestEndpointsThatComeAndGoHaveNoSeriesOfTheirOwn(t *testing.T) {
	var all []delivery.EndpointStats
	for i := range 150 {
		all = append(all, delivery.EndpointStats{ID: fmt.Sprintf("api-%d", i), Source: delivery.SourceAPI, Lag: 1, Successes: 1})
	}
	for i := range 1000 {
		all = append(all, delivery.EndpointStats{ID: fmt.Sprintf("room-%d", i), Source: delivery.SourceRoom, Lag: 1, Successes: 1, State: delivery.Paused})
	}
	text := scrape(t, sources(all...))
	if n := strings.Count(text, "rollcall_webhook_pending_events{"); n != maxEndpoints+1 {
		t.Errorf("%d series", n)
	}
	want(t, text,
		`rollcall_webhook_pending_events{endpoint="(others)"} 1050`,
		// 50 of the API's, and of rooms what is and was there.
		`rollcall_webhook_attempts_total{endpoint="(others)",outcome="accepted"} 1050`,
		`rollcall_webhook_attempts_total{endpoint="(others)",outcome="failed"} 2000`,
		`rollcall_webhook_endpoint_state{endpoint="(others)",state="paused"} 1000`,
	)
}

func TestAServerThatTakesNobodyIsNotReady(t *testing.T) {
	s := sources()
	s.Ready = func() error { return errors.New("it drains") }
	want(t, scrape(t, s), "rollcall_ready 0")
}

func TestMetricsAreForThoseWhoKnowThePassword(t *testing.T) {
	inside := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, c := range []struct {
		name, user, password string
		none                 bool
		want                 int
	}{
		{name: "right", user: "u", password: "p", want: http.StatusTeapot},
		{name: "wrong password", user: "u", password: "P", want: http.StatusUnauthorized},
		{name: "wrong user", user: "U", password: "p", want: http.StatusUnauthorized},
		{name: "nothing", none: true, want: http.StatusUnauthorized},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		if !c.none {
			r.SetBasicAuth(c.user, c.password)
		}
		w := httptest.NewRecorder()
		Protect(inside, "u", "p").ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d", c.name, w.Code)
		}
	}
	w := httptest.NewRecorder()
	Protect(inside, "", "").ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusTeapot {
		t.Errorf("without a password: %d", w.Code)
	}
}
