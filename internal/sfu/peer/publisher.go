package peer

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// PublisherHandler hears what happens on a Publisher. Its methods are called
// one at a time and must not block.
type PublisherHandler interface {
	// PublisherAnswer answers the offer with that id. The map has every section
	// in which we send.
	PublisherAnswer(sdp string, id uint32, midToTrackID map[string]string)
	// PublisherState tells each new state of the connection.
	PublisherState(State)
	// PublisherTrack says that media can flow: a sending section is negotiated
	// and connected. There may be no packet yet, nor for a long time.
	PublisherTrack(*Receiver)
	// PublisherTrackEnded says that the section is inactive, gone, or carries
	// another track or codec, or that the client closed the connection.
	PublisherTrackEnded(*Receiver)
	// Data is a message of the client. The payload belongs to the handler.
	Data(kind DataKind, label string, payload []byte)
	// NegotiationFailed says that the connection cannot be used any more.
	NegotiationFailed(err error)
}

// PublisherOptions configure a Publisher. Handler is required.
type PublisherOptions struct {
	Handler PublisherHandler
	// Codecs are the mime types to accept; empty accepts all we know.
	Codecs []string
	// FullICE makes connectivity checks even if the factory's connections are
	// ICE-lite, for clients that do not get along with that.
	FullICE bool
	// TCPOnly makes no use of UDP, if the factory listens for TCP.
	TCPOnly bool
	Logger  *slog.Logger
}

// Publisher carries media and data from a client. The client offers.
type Publisher struct {
	conn
	handler   PublisherHandler // immutable
	codecs    []string         // immutable
	clock     *uptrack.Clock   // immutable
	answering answering        // immutable; nil when we send no media

	// tasks only
	lines     map[string]*publication // by mid
	preferred map[string]Preference   // by track id
	announced []string                // ids of preferred, the last one last
	kinds     map[string]string       // of the sections of the last offer, by mid
	setup     string                  // our part in the handshake, empty before the first answer
}

// answering is what a connection that also sends does when it answers.
type answering interface {
	fill(offer []line)
	sender(mid string) *Sender  // of a section in which we send, nil in others
	decoding(mid string) string // parameters of Opus in a section in which we send
	midToTrackID() map[string]string
	answered(offer, answer []line)
}

// Preference is how a client should send a track.
type Preference struct {
	MimeType string // the codec, empty for the client's own choice
	// DTX lets Opus send nothing while there is silence, Stereo has it send two
	// channels.
	DTX, Stereo bool
}

// maxPreferred bounds what a client that announces tracks can make us keep.
const maxPreferred = 256

// NewPublisher returns a Publisher that waits for an offer. It costs next to
// nothing until then.
func (f *Factory) NewPublisher(opts PublisherOptions) (*Publisher, error) {
	p := &Publisher{}
	p.prepare(opts.Handler, opts.Codecs)
	p.onConnected, p.onClosed = p.announce, p.endAll
	p.fullICE, p.tcpOnly = opts.FullICE, opts.TCPOnly
	if err := p.init(f, opts.Logger, publisherEvents{p}); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Publisher) prepare(handler PublisherHandler, codecs []string) {
	p.handler, p.codecs = handler, codecs
	p.clock = &uptrack.Clock{}
	p.lines, p.preferred = map[string]*publication{}, map[string]Preference{}
	p.packets.data.accepts = true
}

// publisherEvents names the handler's methods as conn does.
type publisherEvents struct{ p *Publisher }

func (e publisherEvents) state(s State) { e.p.handler.PublisherState(s) }
func (e publisherEvents) data(k DataKind, label string, payload []byte) {
	e.p.handler.Data(k, label, payload)
}
func (e publisherEvents) failed(err error) { e.p.handler.NegotiationFailed(err) }

// Offer takes an offer of the client, in its turn. PublisherAnswer or
// NegotiationFailed follows.
func (p *Publisher) Offer(sdp string, id uint32) {
	err := p.queue.postRemote(func() {
		if err := p.handleOffer(sdp, id); err != nil {
			p.fail("answer offer", err)
		}
	})
	if err == ErrFlood {
		// The queue is full, so this cannot be a bounded task.
		_ = p.queue.post(func() { p.fail("answer offer", ErrFlood) })
	}
}

// Prefer says how a track should be sent: its mime type is first in answers to
// sections that send it, so that the client sends it in that codec. It holds for
// offers that come after it. Without it the client's own order is kept.
func (p *Publisher) Prefer(trackID string, preference Preference) {
	_ = p.queue.post(func() {
		same := func(id string) bool { return id == trackID }
		p.announced = append(slices.DeleteFunc(p.announced, same), trackID)
		p.preferred[trackID] = preference
		if len(p.announced) > maxPreferred {
			p.forget()
		}
	})
}

// forget drops the preference that is oldest, of those whose track is not sent.
func (p *Publisher) forget() {
	sent := map[string]bool{}
	for _, pub := range p.lines {
		sent[pub.offer.trackID] = true
	}
	oldest := max(0, slices.IndexFunc(p.announced, func(id string) bool { return !sent[id] }))
	delete(p.preferred, p.announced[oldest])
	p.announced = slices.Delete(p.announced, oldest, oldest+1)
}

// reorder puts the codec that a track should be sent in first.
func (p *Publisher) reorder(l line, codecs []lineCodec) {
	want := p.preferred[l.trackID].MimeType
	if want == "" || !l.sends {
		return
	}
	slices.SortStableFunc(codecs, func(a, b lineCodec) int { return rank(a, want) - rank(b, want) })
}

func rank(c lineCodec, mime string) int {
	if strings.EqualFold(c.mime, mime) {
		return 0
	}
	return 1
}

func (p *Publisher) handleOffer(text string, id uint32) error {
	var offer remote
	err := p.guarded(func() (err error) {
		offer, err = parseRemote(text)
		return err
	})
	if err != nil {
		return err
	}
	if err := offer.complete(); err != nil {
		return err
	}
	if err := p.sameKinds(offer.lines); err != nil {
		return err
	}
	switch {
	case !p.conn.begun():
		err = p.listen(false)
	case p.conn.known && p.finder.agent.Remote() != offer.own:
		err = p.renew() // the client has restarted ICE
	}
	if err != nil {
		return err
	}
	if p.answering != nil {
		p.answering.fill(offer.lines)
	}
	if p.setup == "" {
		p.setup = answeringSetup(offer.setup)
	}
	d := p.describe(p.setup, p.answerSections(offer.lines))
	d.mixed = offer.mixed
	if offer.bundle != nil || len(offer.lines) == 1 {
		d.bundled = func(mid string) bool { return slices.Contains(offer.bundle, mid) }
	}
	answer := d.String()
	ours := make([]line, len(d.sections))
	for i := range d.sections {
		ours[i] = d.sections[i].line()
	}
	var mids map[string]string
	if p.answering != nil {
		mids = p.answering.midToTrackID()
	}
	p.out.described(hasData(offer.lines)) // who has heard of the answer may send
	p.call(func() { p.handler.PublisherAnswer(answer, id, mids) })
	p.described(&offer)
	p.negotiated(offer.lines, ours)
	if p.answering != nil {
		p.answering.answered(offer.lines, ours)
	}
	return nil
}

// sameKinds holds against offers that a section stays what it is.
func (p *Publisher) sameKinds(lines []line) error {
	for _, l := range lines {
		if kind, known := p.kinds[l.mid]; known && kind != l.kind {
			return fmt.Errorf("%w: section %q was of kind %s and is of kind %s", ErrDescription, l.mid, kind, l.kind)
		}
	}
	p.kinds = make(map[string]string, len(lines))
	for _, l := range lines {
		p.kinds[l.mid] = l.kind
	}
	return nil
}

// answeringSetup is who begins the handshake, by what the client says of itself: whoever
// chooses the cipher for media is the server, which is us if it may be (RFC 8842 §5.3).
func answeringSetup(theirs string) string {
	if theirs == "passive" {
		return "active"
	}
	return "passive"
}

// answerSections answer the sections of an offer.
func (p *Publisher) answerSections(offer []line) []section {
	media := p.factory.publisherMedia(p.codecs, p.answering != nil)
	sections := make([]section, 0, len(offer))
	for _, l := range offer {
		s := section{mid: l.mid, kind: l.kind, protocol: l.protocol, rejected: l.rejected, direction: "inactive"}
		if l.kind != kindData && !l.rejected {
			p.answerMedia(&s, l, media)
		}
		sections = append(sections, s)
	}
	return sections
}

func (p *Publisher) answerMedia(s *section, l line, media *repertoire) {
	s.codecs, s.exts = media.accepted(l.kind, l.codecs), media.acceptedExts(l)
	if s.rejected = len(s.codecs) == 0; s.rejected {
		return
	}
	p.reorder(l, s.codecs)
	tellOpus(s.codecs, p.opusOptions(l))
	var sender *Sender
	if p.answering != nil {
		sender = p.answering.sender(l.mid)
	}
	if l.sends {
		s.direction, s.rids = "recvonly", l.rids
	}
	if sender == nil {
		return
	}
	s.sent(sender)
	if s.direction = "sendonly"; l.sends {
		s.direction = "sendrecv"
	}
}

// opusOptions are the parameters that Opus gets in the answer to a section.
func (p *Publisher) opusOptions(l line) string {
	if p.answering != nil && p.answering.sender(l.mid) != nil {
		return p.answering.decoding(l.mid)
	}
	preferred, ok := p.preferred[l.trackID]
	switch {
	case !ok || !l.sends:
		return ""
	case preferred.DTX && preferred.Stereo:
		return "usedtx=1;" + stereoOptions
	case preferred.DTX:
		return "usedtx=1"
	case preferred.Stereo:
		return stereoOptions
	}
	return ""
}

// stereoOptions ask for two channels, and for all that they may take
// (RFC 7587 §6.1).
const stereoOptions = "stereo=1;maxaveragebitrate=510000"
