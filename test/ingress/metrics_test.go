package ingress

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// What is counted of a source that is encoded anew.
func TestMetricsTellOfSources(t *testing.T) {
	t.Parallel()
	s := start(t, "ingress: {rtmp: {port: -1}}\nprometheus: {main_port: true, username: u, password: p}")
	info := s.create()
	wrong := &livekit.IngressInfo{Url: info.Url, StreamKey: "wrong"}
	_ = s.push(wrong, card("320x180", 0, 1)...).cmd.Wait()
	p := s.push(info, card("320x180", 2, 4)...)
	eventually(t, "it publishes", func() bool {
		return s.metric(`rollcall_ingress_sessions{input="rtmp",state="publishing"}`) == 1 && s.metric("rollcall_rtmp_connections") == 1
	})
	eventually(t, "CPU of what runs", func() bool { return s.metric("rollcall_ingress_transcoder_cpu_seconds_total") > 0 })
	if n := s.metric("rollcall_ingress_transcoders"); n != 1 {
		t.Errorf("%v children", n)
	}
	p.wait()
	eventually(t, "it ends", func() bool {
		return s.metric(`rollcall_ingress_sessions_ended_total{input="rtmp",outcome="closed"}`) == 1 && s.metric("rollcall_ingress_transcoders") == 0
	})
	for line, least := range map[string]float64{
		`rollcall_ingress_endpoints{input="rtmp"}`:                             1,
		`rollcall_ingress_sessions_begun_total{input="rtmp"}`:                  1,
		`rollcall_ingress_received_bytes_total{input="rtmp",kind="video"}`:     50_000,
		`rollcall_ingress_received_bytes_total{input="rtmp",kind="audio"}`:     20_000,
		`rollcall_ingress_first_frame_duration_seconds_count`:                  1,
		`rollcall_rtmp_refusals_total{reason="wrong_key"}`:                     1,
		`rollcall_ingress_transcoder_cpu_seconds_total`:                        0.05,
		`rollcall_ingress_sessions_ended_total{input="rtmp",outcome="failed"}`: 0,
	} {
		if n := s.metric(line); n < least {
			t.Errorf("%s %v, want %v or more", line, n, least)
		}
	}
}

// metric is the value of a line of the site's metrics; -1 if there is none.
func (s *site) metric(name string) float64 {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.at+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("u", "p")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		return -1
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
