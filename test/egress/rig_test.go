package egress

import (
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/testkit/serving"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const (
	apiKey    = "APIegress"
	apiSecret = "a-secret-for-tests-of-at-least-32-characters"

	// patience is how long anything may take on a busy machine.
	patience = time.Minute
)

// site is a server.
type site struct {
	t   *testing.T
	url string
	api livekit.Egress
}

// need skips where there is no ffmpeg, except in CI.
func need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("ffmpeg is not here; apt-get install ffmpeg")
	}
}

func start(t *testing.T) *site {
	t.Helper()
	s := serving.Run(t, serving.Options{Key: apiKey, Secret: apiSecret, YAML: []string{"egress: {max_cpu: 0}"}})
	url := "http://" + s.Addr().String()
	return &site{t: t, url: url, api: livekit.NewEgressProtobufClient(url, &http.Client{Transport: authorized{t, http.DefaultTransport}})}
}

func mint(t *testing.T, identity string, grant token.VideoGrant) string {
	raw, err := token.Mint(apiKey, apiSecret, &token.Claims{Identity: identity, Video: &grant}, time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// authorized adds a token to requests.
type authorized struct {
	t    *testing.T
	next http.RoundTripper
}

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+mint(a.t, "", token.VideoGrant{RoomRecord: true}))
	return a.next.RoundTrip(r)
}

// await returns the info of a recording when it has one of these states.
func (s *site) await(id string, states ...livekit.EgressStatus) *livekit.EgressInfo {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		list, err := s.api.ListEgress(s.t.Context(), &livekit.ListEgressRequest{EgressId: id})
		if err != nil || len(list.Items) != 1 {
			s.t.Fatalf("list: %v %v", list, err)
		}
		for _, state := range states {
			if list.Items[0].Status == state {
				return list.Items[0]
			}
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s is still %s: %s", id, list.Items[0].Status, list.Items[0].Error)
		}
	}
}
