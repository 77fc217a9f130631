package room

import (
	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Media makes the peer connections of a participant: one for each way, or one
// for both.
type Media interface {
	NewPublisher(peer.PublisherOptions) (Publisher, error)
	NewSubscriber(peer.SubscriberOptions) (Subscriber, error)
	NewDuplex(peer.DuplexOptions) (Duplex, error)
}

// Publisher is the connection on which a client sends; see peer.Publisher.
type Publisher interface {
	Offer(sdp string, id uint32)
	Prefer(trackID string, preference peer.Preference)
	AfterData(fn func()) bool
	AddCandidate(init string) error
	SendData(kind peer.DataKind, payload []byte, batch uptrack.Batch) error
	Route() (peer.Route, bool)
	Look()
	Stop() (ended bool)
	Close()
}

// Subscriber is the connection on which a client receives; see peer.Subscriber.
type Subscriber interface {
	Tracks
	Negotiate()
	Begin() (sdp string, id uint32, ok bool)
	Answer(sdp string, id uint32)
	AddCandidate(init string) error
	RestartICE()
	SendData(kind peer.DataKind, payload []byte, batch uptrack.Batch) error
	Route() (peer.Route, bool)
	Look()
	Stop() (ended bool)
	Close()
}

// Duplex is the connection on which a client sends and receives; see
// peer.Duplex.
type Duplex interface {
	Publisher
	Tracks
	Resumed()
	Remind()
}

// Tracks is what a connection forwards to its client.
type Tracks interface {
	AddTrack(streamID, trackID string, up *uptrack.UpTrack) (Sender, error)
	RemoveTrack(Sender)
	LimitBandwidth(bitsPerSecond uint64)
}

// Receiver is media that a client sends; see peer.Receiver.
type Receiver interface {
	TrackID() string
	Mid() string
	Kind() string
	MimeType() string
	Simulcast() []string
	UpTrack() *uptrack.UpTrack
}

// Sender is media that a client is sent; see peer.Sender.
type Sender interface {
	TrackID() string
	DownTrack() *downtrack.DownTrack
	SetPriority(int)
}

// Peers is the Media that factory makes.
func Peers(factory *peer.Factory) Media { return peers{factory} }

type peers struct{ factory *peer.Factory }

func (m peers) NewPublisher(o peer.PublisherOptions) (Publisher, error) {
	return m.factory.NewPublisher(o)
}

func (m peers) NewSubscriber(o peer.SubscriberOptions) (Subscriber, error) {
	sub, err := m.factory.NewSubscriber(o)
	if err != nil {
		return nil, err
	}
	return subscriber{sub}, nil
}

func (m peers) NewDuplex(o peer.DuplexOptions) (Duplex, error) {
	d, err := m.factory.NewDuplex(o)
	if err != nil {
		return nil, err
	}
	return duplex{d}, nil
}

type duplex struct{ *peer.Duplex }

func (d duplex) AddTrack(streamID, trackID string, up *uptrack.UpTrack) (Sender, error) {
	sender, err := d.Duplex.AddTrack(streamID, trackID, up)
	if err != nil {
		return nil, err
	}
	return sender, nil
}

func (d duplex) RemoveTrack(sender Sender) { d.Duplex.RemoveTrack(sender.(*peer.Sender)) }

type subscriber struct{ *peer.Subscriber }

func (s subscriber) AddTrack(streamID, trackID string, up *uptrack.UpTrack) (Sender, error) {
	sender, err := s.Subscriber.AddTrack(streamID, trackID, up)
	if err != nil {
		return nil, err
	}
	return sender, nil
}

func (s subscriber) RemoveTrack(sender Sender) { s.Subscriber.RemoveTrack(sender.(*peer.Sender)) }
