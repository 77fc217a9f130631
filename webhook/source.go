package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
)

// Source is where an Inbox fetches what is missing.
type Source interface {
	// ReadRoom returns events of the room of that name, or of all if it is
	// empty, with a Seq above after, in order, about limit of them at most.
	// cursor is the after to go on with; it is not above after when the log
	// ends there. An *ExpiredError says that events after after are gone.
	ReadRoom(ctx context.Context, room string, after uint64, limit int) (events []*Event, cursor uint64, err error)
}

// HTTPSource reads the log of a server through GET /events. URL, APIKey and
// Secret are required.
type HTTPSource struct {
	// URL is the server's, such as "http://localhost:7880".
	URL string
	// APIKey and Secret sign the access tokens; those that verify the webhooks will do.
	APIKey, Secret string
	// Client is http.DefaultClient by default.
	Client *http.Client
}

// maxPage bounds the answer: a page of bodies, each of the size of a webhook.
const maxPage = 256 << 20

// ReadRoom implements Source.
func (s *HTTPSource) ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]*Event, uint64, error) {
	query := url.Values{"wait": {"0"}, "after": {strconv.FormatUint(after, 10)}, "limit": {strconv.Itoa(limit)}}
	if room != "" {
		query.Set("room", room)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.URL, "/")+"/events?"+query.Encode(), nil)
	if err != nil {
		return nil, after, fmt.Errorf("read events: %w", err)
	}
	token, err := s.token(time.Now())
	if err != nil {
		return nil, after, fmt.Errorf("read events: sign token: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, after, fmt.Errorf("read events: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, after, fmt.Errorf("read events: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return decodePage(body)
	case http.StatusGone:
		var gone struct{ Earliest uint64 }
		if err := json.Unmarshal(body, &gone); err != nil {
			return nil, after, fmt.Errorf("read events: %s: %w", resp.Status, err)
		}
		return nil, after, &ExpiredError{After: after, Earliest: gone.Earliest}
	default:
		return nil, after, fmt.Errorf("read events: %s: %.300s", resp.Status, strings.TrimSpace(string(body)))
	}
}

// token makes an access token for reading events.
func (s *HTTPSource) token(now time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": s.APIKey, "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"rollcall": map[string]any{"events": true},
	}).SignedString([]byte(s.Secret))
}

func decodePage(body []byte) ([]*Event, uint64, error) {
	var page struct {
		Events []struct {
			Seq         uint64          `json:"seq"`
			RoomSeq     uint64          `json:"roomSeq"`
			Time        time.Time       `json:"time"`
			Committed   time.Time       `json:"committed"`
			Synthesized bool            `json:"synthesized"`
			Actor       string          `json:"actor"`
			Reason      string          `json:"reason"`
			Body        json.RawMessage `json:"body"`
		} `json:"events"`
		Cursor uint64 `json:"cursor"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, 0, fmt.Errorf("read events: %w", err)
	}
	events := make([]*Event, len(page.Events))
	for i, e := range page.Events {
		ev := &Event{WebhookEvent: new(livekit.WebhookEvent), Raw: e.Body, Delivery: Delivery{
			Seq: e.Seq, RoomSeq: e.RoomSeq, OccurredAt: e.Time, CommittedAt: e.Committed, Synthesized: e.Synthesized,
			Actor: e.Actor, Reason: e.Reason,
		}}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(e.Body, ev.WebhookEvent); err != nil {
			return nil, 0, fmt.Errorf("read events: event %d: %w: %w", e.Seq, ErrMalformedBody, err)
		}
		events[i] = ev
	}
	return events, page.Cursor, nil
}
