package client

import (
	"context"
	"io"
	"strconv"
	"time"
)

// Calls by data stream carry payloads of any length: a text stream with the request,
// whose attributes say the rest, and one with the answer. Acknowledgements and
// errors are packets, as they are of calls within packets.
const (
	rpcRequestTopic  = "lk.rpc_request"
	rpcResponseTopic = "lk.rpc_response"

	rpcIDAttribute      = "lk.rpc_request_id"
	rpcMethodAttribute  = "lk.rpc_request_method"
	rpcTimeoutAttribute = "lk.rpc_request_response_timeout_ms"
	rpcVersionAttribute = "lk.rpc_request_version"

	rpcStreamVersion = "2"
)

// clientProtocol is what this client says that others can send it: calls by stream.
const clientProtocol = 1

// takesStreams reports whether somebody's client takes calls by stream.
func takesStreams(p *RemoteParticipant) bool {
	return p != nil && p.latest().GetClientProtocol() >= clientProtocol
}

// handle takes the streams that calls are made of.
func (c *rpc) handle(ss *streams) {
	ss.handleWith(streamKey{topic: rpcRequestTopic, text: true}, c.requestStream)
	ss.handleWith(streamKey{topic: rpcResponseTopic, text: true}, c.responseStream)
}

func (p *LocalParticipant) callByStream(ctx context.Context, to, id, method, payload string, wait time.Duration) error {
	return p.SendText(ctx, payload, StreamOptions{Topic: rpcRequestTopic, To: []string{to}, Attributes: map[string]string{
		rpcIDAttribute: id, rpcMethodAttribute: method, rpcVersionAttribute: rpcStreamVersion,
		rpcTimeoutAttribute: strconv.FormatInt(wait.Milliseconds(), 10),
	}})
}

func (c *rpc) answerByStream(ctx context.Context, i *incomingCall, payload string) error {
	return c.room.local.SendText(ctx, payload, StreamOptions{
		Topic: rpcResponseTopic, To: []string{i.from}, Attributes: map[string]string{rpcIDAttribute: i.id},
	})
}

// requestStream answers a call that comes as a stream.
func (c *rpc) requestStream(s *StreamReader) {
	from := s.Info().Identity
	if !c.begin(from) {
		return
	}
	defer c.end(from)
	a := s.Info().Attributes
	ms, err := strconv.ParseUint(a[rpcTimeoutAttribute], 10, 32)
	if err != nil || a[rpcIDAttribute] == "" || a[rpcMethodAttribute] == "" {
		c.room.log.Debug("stream of a call without what a call has", "from", from)
		return
	}
	c.serve(&incomingCall{
		from: from, id: a[rpcIDAttribute], method: a[rpcMethodAttribute], wait: time.Duration(ms) * time.Millisecond,
		supported: a[rpcVersionAttribute] == rpcStreamVersion,
		payload:   func() (string, error) { return c.readAll(s, RPCRequestTooLarge) },
	})
}

// responseStream takes an answer that comes as a stream.
func (c *rpc) responseStream(s *StreamReader) {
	payload, err := c.readAll(s, RPCResponseTooLarge)
	from, id := s.Info().Identity, s.Info().Attributes[rpcIDAttribute]
	c.room.loop.send(func() {
		if w := c.calls[id]; w != nil && w.to == from {
			w.finish(answer{payload, err})
		}
	})
}

// readAll reads a stream that is not longer than streams may be that nobody reads.
func (c *rpc) readAll(s *StreamReader, tooLarge uint32) (string, error) {
	limit := int64(c.room.opts.StreamBuffer)
	b, err := io.ReadAll(io.LimitReader(s, limit+1))
	if err == nil && int64(len(b)) > limit {
		return "", rpcError(tooLarge)
	}
	return string(b), err
}
