package eventlog

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-rtc/rollcall/event"
)

const (
	keyPseudonyms = reserved + "pseudonyms"
	keyForgotten  = reserved + "forgotten"
)

// Person is whom Forget is about.
type Person struct {
	Identity string
	// Room limits it to the events of the rooms of that name; empty: all events.
	Room string
}

// Forgotten is what Forget did.
type Forgotten struct {
	// Pseudonym stands where the identity stood.
	Pseudonym string
	// Events were changed.
	Events int
}

// scrubber is a Store whose files keep what was overwritten for a while.
type scrubber interface {
	// Scrub rewrites the files that hold records from first to last.
	Scrub(ctx context.Context, first, last uint64) error
}

// Forget takes the personal data of a participant out of all events that are
// committed when it is called: in place of the identity stands a pseudonym, the
// same each time, and name, metadata and attributes are gone. Seq, ids, order and
// everything else stay. What is delivered or read from then on is the changed
// body; what happens later is recorded in full again. It returns when the
// engine's files do not hold what was changed either.
//
// Each part is durable as a whole. After an error or a crash Forget goes on where
// it is called again: what is changed already is not found any more.
func (l *Log) Forget(ctx context.Context, p Person) (done Forgotten, err error) {
	if p.Identity == "" {
		return done, nil
	}
	if done.Pseudonym, err = l.pseudonym(ctx, p.Identity); err != nil {
		return done, fmt.Errorf("forget a participant: %w", err)
	}
	f := newForgetter(p, done.Pseudonym)
	for after, last := uint64(0), l.Last(); after < last; {
		part, next, err := l.forgetPart(ctx, &f, after)
		done.Events += part
		if err != nil {
			return done, fmt.Errorf("forget a participant: %w", err)
		}
		if next == after {
			break
		}
		after = next
	}
	s, ok := l.store.(scrubber)
	if !ok || f.last == 0 {
		return done, nil
	}
	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return done, fmt.Errorf("forget a participant: %w", err)
	}
	if err := s.Scrub(ctx, f.first, f.last); err != nil {
		return done, fmt.Errorf("forget a participant: rewrite files: %w", err)
	}
	return done, nil
}

// Forgotten counts the parts of the log that Forget has changed since Open: who
// keeps records in memory reads them anew when it has risen.
func (l *Log) Forgotten() uint64 { return l.forgotten.Load() }

// forgetPart changes the next records behind after and returns where it got to.
func (l *Log) forgetPart(ctx context.Context, f *forgetter, after uint64) (n int, next uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, after, err
	}
	l.rewriting.Lock() // nothing is trimmed meanwhile, to come back by this
	defer l.rewriting.Unlock()
	l.reading.RLock()
	records, err := func() ([]event.Record, error) {
		defer l.reading.RUnlock()
		if err := l.Err(); err != nil {
			return nil, err
		}
		return l.store.Read("", after, MaxRead/4) // also from before First
	}()
	next = after
	if damaged, ok := errors.AsType[*CorruptError](err); ok && len(records) == 0 {
		return 0, damaged.Seq, nil
	} else if err != nil && !ok {
		return 0, after, err
	}
	durable := l.Last()
	var changed []event.Record
	for i := range records {
		if records[i].Seq > durable {
			break
		}
		next = records[i].Seq
		if r, ok := f.record(records[i]); ok {
			changed = append(changed, r)
		}
		f.note(&records[i])
	}
	if len(changed) == 0 {
		return 0, next, nil
	}
	if err := l.rewrite(ctx, changed); err != nil {
		return 0, after, err
	}
	return len(changed), next, nil
}

// rewrite has the committer write the records, and waits for that.
func (l *Log) rewrite(ctx context.Context, records []event.Record) error {
	if err := l.save(map[string][]byte{keyForgotten: {1}}, nil, records); err != nil {
		return err
	}
	if err := l.FlushCursors(ctx); err != nil {
		return err
	}
	l.forgotten.Add(1)
	return nil
}

// pseudonym derives a name from the identity, which without this log's secret
// cannot be found by trying identities.
func (l *Log) pseudonym(ctx context.Context, identity string) (string, error) {
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	values, err := l.LoadCursors(keyPseudonyms)
	if err != nil {
		return "", err
	}
	secret := values[keyPseudonyms]
	if secret == nil {
		secret = make([]byte, 32)
		rand.Read(secret) // never fails, see its documentation
		if err := l.Put(ctx, keyPseudonyms, secret); err != nil {
			return "", err
		}
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(identity))
	return "forgotten-" + hex.EncodeToString(mac.Sum(nil)[:12]), nil
}

// forgetter changes bodies.
type forgetter struct {
	identity, pseudonym string
	room                string
	// literal is how the identity stands in a body, nil if that is not sure.
	literal     []byte
	first, last uint64 // of the records that are, or were, about the participant
}

func newForgetter(p Person, pseudonym string) forgetter {
	f := forgetter{identity: p.Identity, room: p.Room, pseudonym: pseudonym}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@:+ ", r)
	}
	if strings.IndexFunc(p.Identity, func(r rune) bool { return !plain(r) }) < 0 {
		f.literal = []byte(`"` + p.Identity + `"`)
	}
	return f
}

// note widens the range that has to be scrubbed, also by what an earlier call
// changed that did not come to its end.
func (f *forgetter) note(r *event.Record) {
	if r.Identity != f.identity && r.Identity != f.pseudonym && !bytes.Contains(r.Body, []byte(f.pseudonym)) && !f.mayName(r.Body) {
		return
	}
	if f.first == 0 {
		f.first = r.Seq
	}
	f.last = r.Seq
}

// mayName says whether the identity may stand in a body: most bodies need not be
// taken apart to see that it does not.
func (f *forgetter) mayName(body []byte) bool {
	return len(body) > 0 && (f.literal == nil || bytes.Contains(body, f.literal))
}

// record returns r without the participant, and whether that differs.
func (f *forgetter) record(r event.Record) (event.Record, bool) {
	if f.room != "" && r.Room != f.room {
		return r, false
	}
	changed := r.Identity == f.identity
	if changed {
		r.Identity = f.pseudonym
	}
	for _, body := range []*[]byte{&r.Body, &r.FullBody} {
		if !f.mayName(*body) {
			continue
		}
		if b, ok := f.value(*body, ""); ok {
			*body, changed = b, true
		}
	}
	return r, changed
}

// value returns the JSON under key without the participant, and whether that
// differs. What does not is kept byte for byte.
func (f *forgetter) value(raw []byte, key string) ([]byte, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return raw, false
	}
	switch raw[0] {
	case '{':
		return f.object(raw)
	case '[':
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			return raw, false
		}
		changed := false
		parts := make([][]byte, len(items))
		for i := range items {
			part, ok := f.value(items[i], key)
			parts[i], changed = part, changed || ok
		}
		if !changed {
			return raw, false
		}
		return slices.Concat([]byte{'['}, bytes.Join(parts, []byte{','}), []byte{']'}), true
	case '"':
		var s string
		if !names(key) || json.Unmarshal(raw, &s) != nil || s != f.identity {
			return raw, false
		}
		return []byte(`"` + f.pseudonym + `"`), true
	default:
		return raw, false
	}
}

// names says whether the values under key are identities.
func names(key string) bool {
	key = strings.ToLower(key)
	return strings.HasSuffix(key, "identity") || strings.HasSuffix(key, "identities") || key == "publisher" || key == "destinations"
}

// object is value for an object: one that has the identity loses what else tells
// of the person.
func (f *forgetter) object(raw []byte) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return raw, false
	}
	type member struct {
		key   string
		value []byte
	}
	var members []member
	changed, person := false, false
	for d.More() {
		token, err := d.Token()
		key, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return raw, false
		}
		v, ok := f.value(value, key)
		changed = changed || ok
		person = person || ok && len(v) > 0 && v[0] == '"' && (key == "identity" || key == "participantIdentity")
		members = append(members, member{key, v})
	}
	if !changed {
		return raw, false
	}
	out := []byte{'{'}
	for _, m := range members {
		if person {
			switch m.key {
			case "name", "metadata", "attributes", "participantName", "participantMetadata":
				continue
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return raw, false
		}
		out = append(append(append(out, key...), ':'), m.value...)
	}
	return append(out, '}'), true
}
