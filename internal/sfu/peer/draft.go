package peer

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
)

// draftPatience is how long pion may take to make a draft when the factory begins.
const draftPatience = 5 * time.Second

// draft is the first offer of a Subscriber that carries no track yet: a section for
// data, with our candidates. All that differs from one connection to the next is
// filled in, so that pion is asked for one only when its client has answered, and for
// none of a client that never does.
type draft struct {
	before  string // the id of the session
	between string // its version and the user name fragment
	after   string // the password
}

// ahead is what the client has been told of a connection that pion has not made yet.
type ahead struct {
	session    string // the id of the description
	ufrag, pwd string
	release    func() // of what arrives for it meanwhile; nil once pion has found its candidates
}

// claimed ends the reservation of what arrives for a connection that pion had not made.
// It reports whether there was one: then the client has our candidates.
func (c *conn) claimed() bool {
	if c.ahead == nil || c.ahead.release == nil {
		return false
	}
	c.ahead.release()
	c.ahead.release = nil
	return true
}

// newDraft takes apart an offer of pion's, and candidates as clients are sent them.
func newDraft(offer string, candidates []string) (*draft, error) {
	const origin, ufrag, pwd, end = "o=- ", "a=ice-ufrag:", "\r\na=ice-pwd:", "\r\n"
	before, rest, ok1 := strings.Cut(offer, origin)
	_, rest, ok2 := strings.Cut(rest, " ") // the id
	_, rest, ok3 := strings.Cut(rest, " ") // the version
	between, rest, ok4 := strings.Cut(rest, ufrag)
	_, rest, ok5 := strings.Cut(rest, pwd)
	_, after, ok6 := strings.Cut(rest, end)
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || strings.Count(offer, "\nm=") != 1 || strings.Contains(after, ufrag) {
		return nil, errNoDraft
	}
	for _, init := range candidates {
		var c struct {
			Candidate string `json:"candidate"`
		}
		if err := json.Unmarshal([]byte(init), &c); err != nil {
			return nil, fmt.Errorf("read our own candidate: %w", err)
		}
		candidate, _, _ := strings.Cut(c.Candidate, " ufrag ") // of that connection
		after += "a=" + candidate + end
	}
	return &draft{before + origin, between + ufrag, after + "a=end-of-candidates" + end}, nil
}

// offer returns a description, and what is its own in it.
func (d *draft) offer(now time.Time) (string, *ahead) {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	secrets := rand.Text() + rand.Text()
	own := &ahead{
		session: strconv.FormatUint(binary.BigEndian.Uint64(id[:])>>2, 10), // RFC 9429 §5.2.1
		ufrag:   secrets[:ufragLength], pwd: secrets[ufragLength : ufragLength+pwdLength],
	}
	version := strconv.FormatInt(now.Unix(), 10) // as pion begins
	return d.before + own.session + " " + version + " " + d.between + own.ufrag + "\r\na=ice-pwd:" + own.pwd + "\r\n" + d.after, own
}

// As long as pion's are. RFC 8445 §5.3 wants 24 and 128 bits; a character has five.
const (
	ufragLength = 16
	pwdLength   = 32
)

// resume makes an offer of pion's one of the session that the client knows. pion has
// not begun to count its versions when the client had its first.
func (a *ahead) resume(offer string) string {
	before, after, ok := strings.Cut(offer, "o=- ")
	if !ok {
		return offer
	}
	_, after, _ = strings.Cut(after, " ")
	return before + "o=- " + a.session + " " + after
}

var errNoDraft = errors.New("BUG: pion's offer is not as expected")

// makeDrafts has pion make the drafts, with our sockets. A factory whose candidates are
// not the same for each connection has none; nor has one that could not restart ICE.
func (f *Factory) makeDrafts() {
	if f.mux == nil || len(f.opts.ICEServers) > 0 || !forgetCredentials(webrtc.NewAPI(webrtc.WithMediaEngine(&webrtc.MediaEngine{}))) {
		return
	}
	var drafts [2]*draft
	for i := range drafts {
		lite := i == 1
		if lite && !f.opts.ICELite {
			break
		}
		d, err := f.makeDraft(!lite)
		if err != nil {
			f.opts.Logger.Warn("no draft of an offer: each is made when it is needed", "error", err)
			return
		}
		drafts[i] = d
	}
	f.drafts = drafts
}

func (f *Factory) makeDraft(full bool) (*draft, error) {
	h := &drafting{donec: make(chan struct{})}
	s, err := f.NewSubscriber(SubscriberOptions{Handler: h, FullICE: full})
	if err != nil {
		return nil, err
	}
	s.Negotiate()
	patience := time.NewTimer(draftPatience)
	defer patience.Stop()
	select {
	case <-h.donec:
	case <-patience.C:
		err = errors.New("no candidates were found")
	}
	s.Close()
	if err = errors.Join(err, h.err); err != nil {
		return nil, err
	}
	return newDraft(h.offer, h.candidates)
}

// drafting hears what pion makes of a connection that nobody answers.
type drafting struct {
	SubscriberHandler // of what does not happen

	donec      chan struct{} // closed when offer and candidates are there
	offer      string
	candidates []string
	err        error
}

// SubscriberOffer implements SubscriberHandler.
func (d *drafting) SubscriberOffer(sdp string, _ uint32, _ map[string]string) { d.offer = sdp }

// SubscriberCandidate implements SubscriberHandler.
func (d *drafting) SubscriberCandidate(init string, final bool) {
	d.candidates = append(d.candidates, init)
	if final {
		close(d.donec)
	}
}

// SubscriberState implements SubscriberHandler.
func (d *drafting) SubscriberState(State) {}

// NegotiationFailed implements SubscriberHandler.
func (d *drafting) NegotiationFailed(err error) {
	if !errors.Is(err, ErrAnswerTimeout) { // nobody answers
		d.err = err
	}
}
