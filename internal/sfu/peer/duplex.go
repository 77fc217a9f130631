package peer

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// DuplexHandler hears what happens on a Duplex. Its methods are called one at
// a time and must not block.
type DuplexHandler interface {
	PublisherHandler
	sendingHandler
	// SectionsRequired says how many receiving media sections of each kind the
	// client's next offer needs beside those that it has; it must offer even if
	// that is none.
	SectionsRequired(audio, video int)
	// OfferOverdue reminds the client of an offer that others wait for, with no
	// section more than it was asked for.
	OfferOverdue()
}

// DuplexOptions configure a Duplex. Handler is required.
type DuplexOptions struct {
	Handler DuplexHandler
	// Codecs are the mime types to accept; empty accepts all we know.
	Codecs []string
	// AllowPause lets video that the connection does not carry be paused.
	// Without it, it is sent in its lowest layer.
	AllowPause bool
	// PlayoutDelay is how long the client should wait, at least and at most, before
	// it shows a frame; zeros leave that to each track.
	PlayoutDelay [2]time.Duration
	// FullICE makes connectivity checks even if the factory's connections are
	// ICE-lite, for clients that do not get along with that.
	FullICE bool
	// TCPOnly makes no use of UDP, if the factory listens for TCP.
	TCPOnly bool
	// KeepsSpares lets the client give sections back with any offer: it is asked for
	// that once, and not reminded.
	KeepsSpares bool
	// NeverAsks is that of downtrack.Options, for all tracks.
	NeverAsks bool
	Logger    *slog.Logger
}

// Duplex carries media and data both ways. The client offers, always: what we
// send goes into sections in which it receives, and where it has too few it is
// asked for an offer with more.
//
// A track waits until an offer has a free section for it. A section whose track
// was removed is free again when an answer has said that nothing is sent there:
// browsers tell of a track by its section's beginning.
type Duplex struct {
	Publisher
	duplex      DuplexHandler // immutable
	keepsSpares bool          // immutable

	// tasks only
	sending
	waiting   []*Sender
	leaving   bool        // the client is to hear of a removed track
	asked     [2]int      // sections asked for that no offer has brought yet
	awaited   bool        // an offer was asked for
	gathering *time.Timer // changes that wait for others
	retry     *time.Timer // asks for what is missing
	timeout   *time.Timer // our patience with the client
	reminder  *time.Timer // tells it again that an offer is awaited
	round     int         // of timers: what those of an earlier one have posted is void
}

// maxSections bounds what one client is asked for, of each kind.
const maxSections = maxLines/2 - 24

// kinds are the media kinds in the order of SectionsRequired.
var kinds = [2]string{kindAudio, kindVideo}

// NewDuplex returns a Duplex that waits for an offer. It costs next to nothing
// until then.
func (f *Factory) NewDuplex(opts DuplexOptions) (*Duplex, error) {
	d := &Duplex{duplex: opts.Handler, keepsSpares: opts.KeepsSpares}
	d.Publisher.prepare(opts.Handler, opts.Codecs)
	d.Publisher.answering = d
	d.sending.prepare(&d.Publisher.conn, opts.Handler, opts.AllowPause, opts.PlayoutDelay)
	d.onConnected = func() { d.announce(); d.flow() }
	d.onClosed = func() { d.endAll(); d.closeAll() }
	d.neverAsks = opts.NeverAsks
	d.fullICE, d.tcpOnly = opts.FullICE, opts.TCPOnly
	if err := d.init(f, opts.Logger, publisherEvents{&d.Publisher}); err != nil {
		return nil, err
	}
	return d, nil
}

// AddTrack begins to send a track. Before the first offer it waits for that.
func (d *Duplex) AddTrack(streamID, trackID string, up *uptrack.UpTrack) (*Sender, error) {
	sender := d.newSender(streamID, trackID, up)
	err := d.queue.post(func() {
		if sender.removed {
			return
		}
		if d.count(kindOf(sender.codec)) >= maxSections {
			d.senderFailed(sender, ErrSections)
			return
		}
		d.waiting = append(d.waiting, sender)
		d.change()
	})
	if err != nil {
		return nil, fmt.Errorf("add track: %w", err)
	}
	return sender, nil
}

// RemoveTrack stops sending a track and makes its section inactive in the
// answer to the next offer.
func (d *Duplex) RemoveTrack(sender *Sender) {
	sender.down.Close()
	d.tally.sent(sender.down)
	_ = d.queue.post(func() {
		d.forget(sender)
		if d.removeTrack(sender) {
			d.leaving = true
			d.change()
		}
	})
}

// count returns how many tracks of the kind are sent or wait.
func (d *Duplex) count(kind string) int {
	n := 0
	for _, s := range d.waiting {
		if kindOf(s.codec) == kind {
			n++
		}
	}
	for _, sl := range d.slots {
		if sl.kind == kind && sl.sender != nil {
			n++
		}
	}
	return n
}

// Resumed says that the client may have missed what it was asked for. It makes
// an offer by itself then, to restart ICE; only without one it is asked again.
func (d *Duplex) Resumed() {
	_ = d.queue.post(func() {
		d.asked, d.awaited = [2]int{}, false
		d.stopTimers()
		d.askLater(d.factory.opts.askAgain)
	})
}

// askLater asks after a while for everything that is missing then.
func (d *Duplex) askLater(after time.Duration) {
	if d.retry != nil {
		d.retry.Stop()
	}
	d.retry = d.later(after, func() {
		d.asked, d.awaited = [2]int{}, false
		d.ask()
	})
}

// later runs a task after a while, unless stopTimers is called before it runs.
func (d *Duplex) later(after time.Duration, task func()) *time.Timer {
	round := d.round
	return time.AfterFunc(after, func() {
		_ = d.queue.post(func() {
			if d.round == round {
				task()
			}
		})
	})
}

func (d *Duplex) forget(sender *Sender) {
	for i, s := range d.waiting {
		if s == sender {
			d.waiting = append(d.waiting[:i], d.waiting[i+1:]...)
			return
		}
	}
}

// change asks for an offer soon, unless the first one is still to come.
func (d *Duplex) change() {
	if !d.conn.begun() || d.gathering != nil {
		return
	}
	d.gathering = time.AfterFunc(gatherChanges, func() {
		_ = d.queue.post(func() {
			d.gathering = nil
			d.ask()
		})
	})
}

// ask has the client offer, with as many sections as are missing.
func (d *Duplex) ask() {
	if !d.conn.begun() || d.Publisher.conn.state == Closed || len(d.waiting) == 0 && !d.leaving {
		return
	}
	var more [2]int
	for i, kind := range kinds {
		missing := d.missing(kind)
		more[i] = max(0, missing-d.asked[i])
		d.asked[i] += more[i]
	}
	if d.awaited && more == [2]int{} {
		return // the offer that was asked for will do
	}
	d.await()
	d.call(func() { d.duplex.SectionsRequired(more[0], more[1]) })
}

// missing counts the sections that waiting tracks of the kind have no use of yet.
func (d *Duplex) missing(kind string) int {
	missing := 0
	for _, s := range d.waiting {
		if kindOf(s.codec) == kind {
			missing++
		}
	}
	for _, sl := range d.slots {
		if sl.kind == kind && sl.sender == nil && sl.open {
			missing-- // it serves now, or after the next answer
		}
	}
	return max(0, missing)
}

// await gives the client as long for its offer as it has for an answer, and reminds it
// in between. Who has only to give sections back may go on without.
func (d *Duplex) await() {
	d.awaited = true
	if d.timeout != nil {
		return
	}
	d.remind(0)
	d.timeout = d.later(d.factory.opts.AnswerTimeout, func() {
		d.timeout = nil
		if d.awaited && len(d.waiting) > 0 {
			d.fail("wait for offer", ErrAnswerTimeout)
			return
		}
		// Sections without tracks do no harm. The next change asks again.
		d.asked, d.awaited = [2]int{}, false
	})
}

// reminders are when a client that makes no offer is asked again, in fifteenths of
// AnswerTimeout.
var reminders = [...]time.Duration{1, 3, 6, 10}

// remind has the client asked again for an offer, from the nth reminder on. SDKs have
// been seen to take a request in and make no offer: of two in a row the later one falls
// into the making of the earlier one's offer, and is forgotten. They have the sections
// by then, so they are asked for none more; the last time for all, in case that the
// request itself was missed.
func (d *Duplex) remind(n int) {
	if n == len(reminders) {
		return
	}
	due := reminders[n]
	if n > 0 {
		due -= reminders[n-1]
	}
	d.reminder = d.later(due*d.factory.opts.reminderStep, func() {
		if !d.awaited || d.Publisher.conn.state == Closed {
			return
		}
		if len(d.waiting) == 0 && (!d.leaving || d.keepsSpares) {
			d.asked, d.awaited = [2]int{}, false // nobody waits any more
			d.stopTimers()
			return
		}
		d.remind(n + 1)
		d.factory.reminded.Add(1)
		d.log.Info("client has made no offer, and is asked again", "tracks_waiting", len(d.waiting), "reminder", n+1)
		if n+1 < len(reminders) {
			d.call(d.duplex.OfferOverdue)
			return
		}
		d.asked, d.awaited = [2]int{}, false
		d.ask()
	})
}

// Remind has the client make an offer, for it has announced more than it has offered.
// Nothing happens if one was asked for, or is about to be: the client is reminded of
// that, and two requests in a row are what makes it forget.
func (d *Duplex) Remind() {
	_ = d.queue.post(func() {
		if !d.conn.begun() || d.Publisher.conn.state == Closed || d.awaited || d.gathering != nil {
			return
		}
		d.factory.reminded.Add(1)
		d.log.Info("client has not offered what it has announced, and is asked to")
		d.call(d.duplex.OfferOverdue)
	})
}

// fill gives the sections of an offer to the tracks that wait. It runs before the answer
// is made.
func (d *Duplex) fill(offer []line) {
	d.survey(offer)
	lines := make(map[string]line, len(offer))
	for _, l := range offer {
		lines[l.mid] = l
	}
	still := d.waiting[:0]
	for _, sender := range d.waiting {
		sl := d.free(kindOf(sender.codec))
		if sl == nil {
			still = append(still, sender)
			continue
		}
		if !decodes(lines[sl.mid].codecs, sender.codec) {
			d.senderFailed(sender, ErrCodecRejected)
			continue
		}
		d.occupy(sl, sender)
	}
	clear(d.waiting[len(still):])
	d.waiting = still
}

// survey brings the slots in line with an offer, in its order.
func (d *Duplex) survey(offer []line) {
	known := make(map[string]*slot, len(d.slots))
	for _, sl := range d.slots {
		known[sl.mid] = sl
	}
	slots := make([]*slot, 0, len(d.slots))
	for _, l := range offer {
		sl, open := known[l.mid], l.receives && !l.rejected && l.kind != kindData
		switch {
		case sl != nil:
		case open:
			sl = &slot{mid: l.mid, kind: l.kind, idle: true, offered: true}
			if i := kindIndex(l.kind); d.asked[i] > 0 {
				d.asked[i]--
			}
		default:
			continue
		}
		sl.open = open
		if sender := sl.sender; sender != nil && !sl.open {
			// The client took the section back; the track finds another.
			d.vacate(sender)
			sender.bound = false
			sender.down.Unbind()
			d.waiting = append(d.waiting, sender)
			sl.idle = true
		}
		slots = append(slots, sl)
	}
	d.slots = slots
}

// free returns a section of the kind that can be used, nil if there is none.
func (d *Duplex) free(kind string) *slot {
	for _, sl := range d.slots {
		if sl.kind == kind && sl.open && sl.idle && sl.sender == nil {
			return sl
		}
	}
	return nil
}

// sender returns what we send in a section.
func (d *Duplex) sender(mid string) *Sender {
	for _, sl := range d.slots {
		if sl.mid == mid {
			return sl.sender
		}
	}
	return nil
}

// answered starts what the answer promises and asks for what it could not hold.
func (d *Duplex) answered(offer, answer []line) {
	d.awaited, d.leaving = false, false
	d.stopTimers()
	byMid := make(map[string]int, len(answer))
	for i, l := range answer {
		byMid[l.mid] = i
	}
	freed := false
	for _, sl := range d.slots {
		i, ok := byMid[sl.mid]
		if !ok {
			continue
		}
		sender := sl.sender
		if sender == nil {
			freed = freed || !sl.idle
			sl.idle = true // as the answer says
			continue
		}
		if sender.bound || sender.refused {
			continue
		}
		if err := sender.bind(answer[i], offer[i].receives, d.factory.extensionsOf(sender.up), &d.budget); err != nil {
			d.senderFailed(sender, err)
			continue
		}
		d.bound(sender)
	}
	switch {
	case len(d.waiting) == 0:
		d.asked = [2]int{}
	case freed || d.asked == [2]int{}:
		d.change()
	default:
		d.askLater(d.factory.opts.askAgain)
	}
}

func (d *Duplex) stopTimers() {
	d.round++
	for _, t := range []**time.Timer{&d.retry, &d.timeout, &d.reminder} {
		if *t != nil {
			(*t).Stop()
			*t = nil
		}
	}
}

func (d *Duplex) closeAll() {
	d.stopTimers()
	if d.gathering != nil {
		d.gathering.Stop()
	}
	for _, sender := range d.waiting {
		sender.down.Close()
	}
	d.sending.close()
}

func kindIndex(kind string) int {
	if kind == kinds[0] {
		return 0
	}
	return 1
}
