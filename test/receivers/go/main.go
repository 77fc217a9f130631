// Command receiver verifies the vectors with the libraries of Go: "livekit" or
// "standard" is the first argument, the file of vectors the second.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/webhook"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type vector struct {
	Name    string            `json:"name"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
}

type verdict struct {
	Name     string `json:"name"`
	Accepted bool   `json:"accepted"`
	Event    string `json:"event,omitempty"`
	ID       string `json:"id,omitempty"`
	Error    string `json:"error,omitempty"`
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(library, path string) error {
	verify := map[string]func(*http.Request, []byte) (event, id string, err error){
		"livekit": livekit, "standard": standard,
	}[library]
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return err
		}
		r, err := http.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(v.Body))
		if err != nil {
			return err
		}
		for name, value := range v.Headers {
			r.Header.Set(name, value)
		}
		said := verdict{Name: v.Name}
		said.Event, said.ID, err = verify(r, v.Body)
		if said.Accepted = err == nil; err != nil {
			said.Error = err.Error()
		}
		if err := out.Encode(said); err != nil {
			return err
		}
	}
	return lines.Err()
}

func livekit(r *http.Request, _ []byte) (event, id string, err error) {
	keys := auth.NewSimpleKeyProvider(os.Getenv("API_KEY"), os.Getenv("API_SECRET"))
	e, err := webhook.ReceiveWebhookEvent(r, keys)
	return e.GetEvent(), e.GetId(), err
}

func standard(r *http.Request, body []byte) (event, id string, err error) {
	wh, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		return "", "", err
	}
	if err := wh.Verify(body, r.Header); err != nil {
		return "", "", err
	}
	var e struct{ Event, ID string }
	err = json.Unmarshal(body, &e)
	return e.Event, e.ID, err
}
