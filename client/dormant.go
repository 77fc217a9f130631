package client

import (
	"sync"

	"github.com/pion/interceptor"
)

// dormant keeps the interceptors of a connection asleep until it has a stream. Each
// has a timer from the moment that it may write RTCP; a client that only listens
// for events would be woken by them a dozen times a second for nothing.
type dormant struct {
	interceptor.Interceptor

	mu     sync.Mutex
	writer interceptor.RTCPWriter // that they will write to; nil when they are awake
}

// dormantFactory makes one of all that are in its registry.
type dormantFactory struct{ *interceptor.Registry }

// NewInterceptor implements interceptor.Factory.
func (f dormantFactory) NewInterceptor(id string) (interceptor.Interceptor, error) {
	all, err := f.Build(id)
	if err != nil {
		return nil, err
	}
	return &dormant{Interceptor: all}, nil
}

// BindRTCPWriter implements interceptor.Interceptor. None of those that we use
// changes what others write.
func (d *dormant) BindRTCPWriter(writer interceptor.RTCPWriter) interceptor.RTCPWriter {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writer = writer
	return writer
}

// BindLocalStream implements interceptor.Interceptor.
func (d *dormant) BindLocalStream(info *interceptor.StreamInfo, writer interceptor.RTPWriter) interceptor.RTPWriter {
	d.wake()
	return d.Interceptor.BindLocalStream(info, writer)
}

// BindRemoteStream implements interceptor.Interceptor.
func (d *dormant) BindRemoteStream(info *interceptor.StreamInfo, reader interceptor.RTPReader) interceptor.RTPReader {
	d.wake()
	return d.Interceptor.BindRemoteStream(info, reader)
}

func (d *dormant) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writer != nil {
		d.Interceptor.BindRTCPWriter(d.writer)
		d.writer = nil
	}
}
