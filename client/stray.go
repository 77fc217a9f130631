package client

import "time"

// strayTime is how long something may follow that somebody sent who has left: the
// news of that comes another way, and may be quicker.
const strayTime = 2 * time.Second

// left lets the streams of a session end that is gone, once nothing more comes of them.
func (ss *streams) left(sid string) {
	for key, s := range ss.open {
		if s.sid != "" && s.sid == sid {
			ss.awaitMore(key, s)
		}
	}
}

// awaitMore gives up a stream if nothing comes of it for a while, and its sender is
// not there then: who sends may be known later, too, than what is sent.
func (ss *streams) awaitMore(key streamID, s *StreamReader) {
	stop(s.stray)
	var t *time.Timer
	t = time.AfterFunc(strayTime, func() {
		ss.room.loop.send(func() {
			switch {
			case s.stray != t || ss.open[key] != s: // there was more
			case ss.senderHere(s):
				s.stray = nil
			default:
				ss.finish(key, s, ErrStreamLost)
			}
		})
	})
	s.stray = t
}

// senderHere says whether who sends a stream is in the room. Of who is hidden that
// cannot be known.
func (ss *streams) senderHere(s *StreamReader) bool {
	local := ss.room.local.info
	switch {
	case s.sid == "":
		return true // it may be written in the name of somebody else, who comes and goes
	case s.sid == local.GetSid(), s.info.Identity != "" && s.info.Identity == local.GetIdentity():
		return true // somebody speaks for us
	}
	return ss.room.remoteBySID(s.sid) != nil
}

// left ends calls to somebody who is gone, unless the answer is on its way. Loop only.
func (c *rpc) left(identity string) {
	var calls []*call
	for _, w := range c.calls {
		if w.to == identity {
			calls = append(calls, w)
		}
	}
	if len(calls) == 0 {
		return
	}
	time.AfterFunc(strayTime, func() {
		c.room.loop.send(func() {
			for _, w := range calls {
				w.finish(answer{err: rpcError(RPCRecipientGone)})
			}
		})
	})
}
