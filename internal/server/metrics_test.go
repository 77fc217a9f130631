package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// enter joins room demo as the SDK does, with media.
func enter(t *testing.T, s *Server, identity string, setup func(*client.Room)) *client.Room {
	t.Helper()
	return enterAt(t, "http://"+s.Addr().String(), identity, setup)
}

func enterAt(t *testing.T, url, identity string, setup func(*client.Room)) *client.Room {
	t.Helper()
	raw, err := token.Mint(key, secret, &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := client.Connect(ctx, url, raw, client.Options{Setup: setup})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leave(r) })
	return r
}

func leave(r *client.Room) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.Disconnect(ctx)
}

// speak sends silence of 20 ms each until the condition holds.
func speak(t *testing.T, r *client.Room, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	track := client.NewLocalTrack(client.Opus)
	if _, err := r.Local().Publish(ctx, client.PublishOptions{}, track); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
		if err := track.WriteSample(client.Sample{Data: []byte{0xf8, 0xff, 0xfe}, Duration: 20 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, url, user, password string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// sample is the value of a series in a scrape, -1 if it is not there.
func sample(text, series string) float64 {
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return -1
	}
	return v
}

func TestMetricsFollowACall(t *testing.T) {
	sink, receiver := newSink(t)
	s := start(t, configure(t, t.TempDir(), fmt.Sprintf(
		"prometheus: {port: -1}\nwebhook: {endpoints: [{id: crm, url: '%s', api_key: %s}]}", receiver.URL, key)))
	url := "http://" + s.MetricsAddr().String() + "/metrics"
	scrape := func() string {
		status, text := get(t, url, "", "")
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
		return text
	}
	heard := make(chan struct{}, 1)
	enter(t, s, "listener", func(r *client.Room) {
		client.On(r, func(e client.TrackSubscribed) {
			go func() {
				for range 20 {
					if _, err := e.Track.ReadRTP(); err != nil {
						return
					}
				}
				heard <- struct{}{}
			}()
		})
	})
	speaker := enter(t, s, "speaker", nil)
	speak(t, speaker, "sound arrives", func() bool { return len(heard) > 0 })

	during := scrape()
	for series, want := range map[string]float64{
		"rollcall_ready": 1, "rollcall_rooms": 1, "rollcall_participants": 2, `rollcall_tracks{kind="audio"}`: 1, "rollcall_subscriptions": 1,
		"rollcall_joins_accepted_total": 2, "rollcall_joins_completed_total": 2, "rollcall_join_duration_seconds_count": 2,
		"rollcall_signal_connections": 2,
	} {
		if got := sample(during, series); got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	for _, series := range []string{
		`rollcall_media_packets_total{direction="in",kind="audio"}`, `rollcall_media_packets_total{direction="out",kind="audio"}`,
		`rollcall_media_payload_bytes_total{direction="out",kind="audio"}`,
	} {
		if got := sample(during, series); got < 20 {
			t.Errorf("%s is %v after 20 packets", series, got)
		}
	}
	if strings.Contains(during, "demo") || strings.Contains(during, "speaker") || strings.Contains(during, receiver.URL) {
		t.Error("metrics name a room, a participant or a URL")
	}

	leave(speaker)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := sink.WaitFor(ctx, func(all []webhooksink.Delivery) bool { return slices.Contains(names(all), "participant_left") }); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	after := scrape()
	for sample(after, `rollcall_webhook_pending_events{endpoint="crm"}`) != 0 {
		select {
		case <-tick.C:
			after = scrape()
		case <-ctx.Done():
			t.Fatal("events are pending for ever")
		}
	}
	for series, want := range map[string]float64{
		"rollcall_participants": 1, `rollcall_tracks{kind="audio"}`: 0, "rollcall_subscriptions": 0,
		`rollcall_participants_left_total{reason="client_initiated"}`:      1,
		`rollcall_webhook_endpoint_state{endpoint="crm",state="closed"}`:   1,
		`rollcall_webhook_attempts_total{endpoint="crm",outcome="failed"}`: 0,
	} {
		if got := sample(after, series); got != want {
			t.Errorf("afterwards %s is %v, want %v", series, got, want)
		}
	}
	for _, series := range []string{`rollcall_media_packets_total{direction="in",kind="audio"}`, `rollcall_media_packets_total{direction="out",kind="audio"}`} {
		if b, a := sample(during, series), sample(after, series); a < b {
			t.Errorf("%s fell from %v to %v", series, b, a)
		}
	}
	if got := sample(after, `rollcall_webhook_attempts_total{endpoint="crm",outcome="accepted"}`); got < 5 {
		t.Errorf("%v webhooks were accepted", got)
	}
	if a, c := sample(after, "rollcall_events_appended_total"), sample(after, "rollcall_event_log_commit_duration_seconds_count"); a < 5 || c < 1 {
		t.Errorf("%v events in %v commits", a, c)
	}
	if got := sample(after, "rollcall_event_log_disk_bytes"); got <= 0 {
		t.Errorf("the log takes %v bytes", got)
	}
}

func TestMetricsAreWhereTheConfigurationSays(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), "prometheus: {port: -1, username: u, password: p, main_port: true}\nadmin: {port: -1, bind_addresses: [127.0.0.1]}"))
	main, own, admin := "http://"+s.Addr().String(), "http://"+s.MetricsAddr().String(), "http://"+s.AdminAddr().String()
	for _, c := range []struct {
		url, user, password string
		want                int
	}{
		{main + "/metrics", "u", "p", 200},
		{main + "/metrics", "", "", 401},
		{own + "/metrics", "u", "p", 200},
		{own + "/metrics", "u", "q", 401},
		{own + "/", "u", "p", 404},
		{admin + "/metrics", "", "", 200},
		{admin + "/healthz", "", "", 200},
		{admin + "/readyz", "", "", 200},
		{admin + "/debug/pprof/", "", "", 200},
		{admin + "/debug/stats", "", "", 200},
		{admin + "/events", "", "", 404},
		{main + "/debug/pprof/", "", "", 404},
	} {
		if status, _ := get(t, c.url, c.user, c.password); status != c.want {
			t.Errorf("%s as %q: %d, want %d", c.url, c.user, status, c.want)
		}
	}
	req, _ := http.NewRequest("GET", admin+"/debug/stats", nil)
	req.Host = "rebound.example.com"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("the admin port by a name: %d", resp.StatusCode)
	}

	closed := start(t, configure(t, t.TempDir(), ""))
	if status, _ := get(t, "http://"+closed.Addr().String()+"/metrics", "", ""); status != http.StatusNotFound {
		t.Errorf("unless they are asked for, metrics are there: %d", status)
	}
	if closed.MetricsAddr() != nil || closed.AdminAddr() != nil {
		t.Error("ports were opened that nobody asked for")
	}
}
