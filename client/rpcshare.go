package client

// maxAnswering is how many calls of others are answered at a time.
const maxAnswering = 1000

// answering counts the calls of others that are being answered. A caller may have as many
// as there are places left: one alone has half of all, two have a third each, and there
// is a place for whoever comes next.
type answering struct {
	all int
	of  map[string]int // by the caller's identity
}

// begin says whether a call of the caller's is to be answered. If so, it ends with end.
func (c *rpc) begin(from string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.answering
	if a.of[from] >= maxAnswering-a.all {
		c.room.log.Debug("too many calls at a time", "from", from)
		return false
	}
	a.all++
	a.of[from]++
	return true
}

func (c *rpc) end(from string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.answering
	a.all--
	if a.of[from]--; a.of[from] == 0 {
		delete(a.of, from)
	}
}
