package webhooksink

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
)

// post sends one signed webhook and returns the status, 0 for none.
func post(t *testing.T, client *http.Client, url, secret, id, room string) (int, error) {
	t.Helper()
	body := fmt.Sprintf(`{"event":"room_started","id":%q,"room":{"name":%q}}`, id, room)
	sum := sha256.Sum256([]byte(body))
	token, err := auth.NewAccessToken("devkey", secret).SetSha256(base64.StdEncoding.EncodeToString(sum[:])).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func listen(t *testing.T) (*Sink, *Server, *http.Client) {
	t.Helper()
	sink := New(map[string]string{"devkey": "secret"})
	srv, err := Listen("127.0.0.1:0", sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return sink, srv, client
}

func TestSinkTakesDownVerifiesAndMisbehavesAsScripted(t *testing.T) {
	sink, srv, client := listen(t)
	sink.Script(Sequence(
		Fault{}, Fault{Status: 503, RetryAfter: "7"}, Fault{Status: 302, Location: "/elsewhere"},
		Fault{Reset: true}, Fault{BodySize: 1 << 20}, Fault{Close: true}))
	for i, want := range []int{200, 503, 302, 0, 200, 200, 200} {
		got, err := post(t, client, srv.URL, "secret", fmt.Sprint("id", i), "blue")
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("request %d: %d, %v; want %d", i+1, got, err, want)
		}
	}
	if status, err := post(t, client, srv.URL, "wrong", "id9", "blue"); status != http.StatusUnauthorized || err != nil {
		t.Errorf("wrongly signed: %d, %v", status, err)
	}
	all := sink.Deliveries()
	if len(all) != 8 || sink.Len() != 8 || all[7].Invalid == "" || all[7].Event != nil {
		t.Fatalf("%d deliveries, the last %+v", len(all), all[len(all)-1])
	}
	for i, d := range all[:7] {
		if d.N != i+1 || d.ID() != fmt.Sprint("id", i) || d.Room() != "blue" || d.Name() != "room_started" || d.Invalid != "" {
			t.Errorf("delivery %d: %+v", i+1, d)
		}
	}
	if got := len(sink.Accepted()); got != 4 {
		t.Errorf("%d accepted, want 4", got)
	}
}

func TestWaitEndsWithTheEventTheContextOrTheSink(t *testing.T) {
	sink, srv, client := listen(t)
	done := make(chan error)
	go func() {
		_, err := sink.Wait(context.Background(), 1)
		done <- err
	}()
	if _, err := post(t, client, srv.URL, "secret", "a", "blue"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := sink.Wait(cancelled, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v", err)
	}
	go func() {
		_, err := sink.Wait(context.Background(), 2)
		done <- err
	}()
	sink.Close()
	if err := <-done; err == nil {
		t.Error("Wait ended well though the sink is closed")
	}
}

func TestServerGoesDownAndComesBackOnItsAddress(t *testing.T) {
	sink, srv, client := listen(t)
	url := srv.URL
	srv.Down()
	if _, err := post(t, client, url, "secret", "a", "blue"); err == nil {
		t.Error("a server that is down answered")
	}
	if err := srv.Up(); err != nil || srv.URL != url {
		t.Fatalf("Up = %v, %s", err, srv.URL)
	}
	if status, err := post(t, client, url, "secret", "a", "blue"); status != 200 || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	if sink.Len() != 1 {
		t.Errorf("%d deliveries", sink.Len())
	}
}

func TestOnlyLoopbackAddressesAreListenedOn(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "192.0.2.1:80", "example.org:80", "127.0.0.1"} {
		if srv, err := Listen(addr, New(nil), nil); err == nil {
			srv.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}

// lines is a writer that hands on what each call writes.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestControlScriptsAndReportsFromAnotherProcess(t *testing.T) {
	sink, srv, client := listen(t)
	ctl, err := Listen("127.0.0.1:0", sink.Control(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ctl.Close()
	output := make(lines, 10)
	sink.Output(output)

	script := `[{"room":"bad","times":1,"fault":{"status":500}},{"event":"room_finished","fault":{"status":404}}]`
	req, err := http.NewRequest("PUT", ctl.URL+"/script", strings.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("PUT /script: %v, %v", resp, err)
	}
	resp.Body.Close()
	for i, want := range []int{200, 500, 200} {
		room := []string{"good", "bad", "bad"}[i]
		if got, err := post(t, client, srv.URL, "secret", fmt.Sprint(i), room); got != want || err != nil {
			t.Errorf("request %d: %d, %v", i+1, got, err)
		}
	}
	resp, err = client.Get(ctl.URL + "/deliveries?accepted=2&wait=" + (10 * time.Second).String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []Delivery
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got) != 3 || got[1].Status != 500 || len(got[2].Body) == 0 {
		t.Errorf("GET /deliveries: %v, %+v", err, got)
	}
	for i := range 3 {
		var d Delivery
		if err := json.Unmarshal([]byte(<-output), &d); err != nil || d.N == 0 || d.Status == 0 {
			t.Errorf("line %d of output: %v, %+v", i+1, err, d)
		}
	}
	resp, err = client.Post(ctl.URL+"/reset", "", nil)
	if err != nil || sink.Len() != 0 {
		t.Errorf("POST /reset: %v, %d deliveries left", err, sink.Len())
	} else {
		resp.Body.Close()
	}
}
