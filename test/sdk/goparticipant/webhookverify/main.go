// Command webhookverify checks recorded webhooks with the Go receiver of
// livekit/protocol. Each line of standard input is one request as it came in:
// its Authorization header and its raw body in base64. Each line of standard
// output is the verdict on one: the event's name and id, or the error.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/webhook"
)

type recorded struct {
	Authorization string `json:"authorization"`
	ContentType   string `json:"contentType"`
	Body          []byte `json:"body"` // base64 in JSON
}

type verdict struct {
	Event string `json:"event"`
	ID    string `json:"id"`
	Error string `json:"error,omitempty"`
}

func main() {
	key := flag.String("key", "", "API key")
	secret := flag.String("secret", "", "API secret")
	flag.Parse()
	if err := verifyAll(auth.NewSimpleKeyProvider(*key, *secret)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func verifyAll(keys auth.KeyProvider) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("read recorded webhook: %w", err)
		}
		if err := out.Encode(verify(r, keys)); err != nil {
			return fmt.Errorf("write verdict: %w", err)
		}
	}
	return lines.Err()
}

func verify(r recorded, keys auth.KeyProvider) verdict {
	req, err := http.NewRequest(http.MethodPost, "/", bytes.NewReader(r.Body))
	if err != nil {
		return verdict{Error: err.Error()}
	}
	req.Header.Set("Authorization", r.Authorization)
	req.Header.Set("Content-Type", r.ContentType)
	event, err := webhook.ReceiveWebhookEvent(req, keys)
	if err != nil {
		return verdict{Error: err.Error()}
	}
	return verdict{Event: event.Event, ID: event.Id}
}
